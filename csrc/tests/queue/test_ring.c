/* The ring in one thread, compared with a simple model. test_ring_races.c forces the races. */
#include "queue/ns_ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "ns_test.h"

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t bound) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % bound;
}

static ns_ring *ring_of(uint64_t max_bytes, uint32_t max_spans) {
    ns_ring *ring = NULL;
    CHECK(ns_ring_map(&ring, max_bytes, max_spans) == 0 && ring != NULL);
    return ring;
}

/* Sets an unused ring to the state after this many spans and units. */
static void start_at(ns_ring *ring, uint32_t spans, uint32_t units) {
    uint64_t position = (uint64_t)spans << 32 | units;
    atomic_store(&ring->head, position);
    atomic_store(&ring->tail, position);
}

static uint8_t byte_of(uint32_t number, uint32_t index) { return (uint8_t)(1 + (number * 31 + index * 7) % 255); }

static ns_ring_status push(ns_ring *ring, uint32_t number, uint32_t size, ns_reservation *reservation) {
    static uint8_t payload[1 << 20];
    CHECK(size <= sizeof payload);
    for (uint32_t i = 0; i < size; i++) payload[i] = byte_of(number, i);
    return ns_ring_push(ring, number, payload, size, reservation);
}

static bool is_push(const ns_record *record, uint32_t number, uint32_t size) {
    if (record->source != number || record->size != size) return false;
    for (uint32_t i = 0; i < size; i++)
        if (record->data[i] != byte_of(number, i)) return false;
    return true;
}

/* Invariant of the protocol: every byte that is not in use is zero. */
static bool free_space_is_zero(ns_ring *ring) {
    uint64_t tail = (uint64_t)ns_ring_units_of(atomic_load(&ring->tail)) * NS_RING_UNIT;
    for (uint64_t i = ns_ring_used_bytes(ring); i < ring->capacity; i += NS_RING_UNIT)
        if (ns_load_u64(ns_ring_data(ring) + ((tail + i) & (ring->capacity - 1))) != 0) return false;
    return true;
}

static void test_arguments(void) {
    ns_ring *ring = NULL;
    CHECK(ns_ring_map(&ring, NS_RING_MIN_BYTES - 1, 1) == EINVAL);
    CHECK(ns_ring_map(&ring, NS_RING_MAX_BYTES + 1, 1) == EINVAL);
    CHECK(ns_ring_map(&ring, NS_RING_MIN_BYTES, 0) == EINVAL);
    CHECK(ns_ring_map(&ring, NS_RING_MIN_BYTES, NS_RING_MAX_SPANS + 1) == EINVAL);
    CHECK(ring == NULL);
    ring = ring_of(NS_RING_MIN_BYTES, NS_RING_MAX_SPANS);
    CHECK(ns_ring_max_record(ring) == NS_RING_MIN_BYTES / 4 - 8);
    CHECK(ns_ring_depth(ring) == 0 && ns_ring_used_bytes(ring) == 0 && ns_ring_ticket(ring) == 0);
    ns_ring_unmap(ring);
    ns_ring_unmap(NULL);
}

static void test_span_bound(void) {
    static const uint32_t bounds[] = {1, 2, 3, 5, 7, 100, 255, 256, 257};
    for (size_t b = 0; b < sizeof bounds / sizeof bounds[0]; b++) {
        ns_ring *ring = ring_of(1 << 16, bounds[b]);
        ns_reservation reservation;
        ns_record records[300];
        uint32_t number = 0;
        for (int round = 0; round < 5; round++) {
            for (uint32_t i = 0; i < bounds[b]; i++) {
                CHECK(push(ring, number + i, 9, &reservation) == NS_RING_OK);
                CHECK(reservation.spans == i + 1 && ns_ring_depth(ring) == i + 1);
            }
            CHECK(push(ring, 0, 0, &reservation) == NS_RING_FULL);
            CHECK(ns_ring_dropped_full(ring) == 2 * (uint64_t)round + 1);
            ns_ring_stretch stretch = ns_ring_read(ring, records, 300, SIZE_MAX);
            CHECK(stretch.count == bounds[b] && stretch.bytes == (8u + 9u) * bounds[b]);
            for (uint32_t i = 0; i < bounds[b]; i++) CHECK(is_push(&records[i], number + i, 9));
            /* Reading does not free. */
            CHECK(push(ring, 0, 0, &reservation) == NS_RING_FULL);
            ns_ring_release(ring, stretch, false);
            CHECK(ns_ring_depth(ring) == 0 && free_space_is_zero(ring));
            number += bounds[b];
            CHECK(ns_ring_ticket(ring) == number);
        }
        ns_ring_unmap(ring);
    }
}

static void test_refuse(void) {
    ns_ring *ring = ring_of(NS_RING_MIN_BYTES, 2);
    ns_reservation reservation;
    start_at(ring, UINT32_MAX, 0); /* the span count wraps between the two pushes */
    for (uint32_t number = 0; number < 2; number++) {
        CHECK(!ns_ring_refuse(ring));
        CHECK(push(ring, number, 10, &reservation) == NS_RING_OK);
    }
    CHECK(ns_ring_dropped_full(ring) == 0);
    CHECK(ns_ring_refuse(ring) && ns_ring_refuse(ring));
    CHECK(ns_ring_dropped_full(ring) == 2 && ns_ring_depth(ring) == 2);
    ns_record record;
    ns_ring_release(ring, ns_ring_read(ring, &record, 1, SIZE_MAX), false);
    CHECK(!ns_ring_refuse(ring));
    ns_ring_unmap(ring);
}

static void test_byte_bound(void) {
    static const uint64_t bounds[] = {4096, 4097, 4104, 5000, 6152, 8184, 8192, 12000};
    for (size_t b = 0; b < sizeof bounds / sizeof bounds[0]; b++) {
        for (uint32_t size = 0; size < 100; size++) {
            ns_ring *ring = ring_of(bounds[b], NS_RING_MAX_SPANS);
            ns_reservation reservation;
            uint32_t units = (size + 8 + 7) / 8, fitting = (uint32_t)(bounds[b] / 8) / units;
            for (uint32_t i = 0; i < fitting; i++) {
                CHECK(push(ring, i, size, &reservation) == NS_RING_OK);
                CHECK(reservation.units == (i + 1) * units && reservation.offset == 8u * i * units);
            }
            CHECK(push(ring, 0, size, &reservation) == NS_RING_FULL);
            CHECK(ns_ring_used_bytes(ring) == 8u * fitting * units);
            CHECK(ns_ring_dropped_full(ring) == 1);
            ns_ring_unmap(ring);
        }
    }
}

static void test_oversize(void) {
    ns_ring *ring = ring_of(10000, 100);
    ns_reservation reservation;
    uint32_t max = ns_ring_max_record(ring);
    ns_record record;
    CHECK(max == 10000 / 8 / 4 * 8 - 8);
    CHECK(push(ring, 1, max + 1, &reservation) == NS_RING_OVERSIZE);
    CHECK(ns_ring_reserve(ring, UINT32_MAX, &reservation) == NS_RING_OVERSIZE);
    CHECK(ns_ring_reserve(ring, UINT32_MAX - 7, &reservation) == NS_RING_OVERSIZE);
    CHECK(ns_ring_dropped_oversize(ring) == 3 && ns_ring_dropped_full(ring) == 0);
    CHECK(ns_ring_used_bytes(ring) == 0 && ns_ring_ticket(ring) == 0);
    /* The largest record fits into an empty ring at every position. */
    for (uint32_t i = 0; i < 4 * 16384 / 8; i++) {
        CHECK(push(ring, i, max, &reservation) == NS_RING_OK);
        CHECK(ns_ring_read(ring, &record, 1, 0).count == 1 && is_push(&record, i, max));
        ns_ring_release(ring, ns_ring_read(ring, &record, 1, 0), false);
        CHECK(push(ring, i, 0, &reservation) == NS_RING_OK);
        ns_ring_release(ring, ns_ring_read(ring, &record, 1, 0), false);
    }
    CHECK(free_space_is_zero(ring));
    ns_ring_unmap(ring);
}

static void test_read_limits(void) {
    ns_ring *ring = ring_of(4096, 100);
    ns_reservation reservation, open;
    ns_record records[8];
    for (uint32_t i = 0; i < 5; i++) CHECK(push(ring, i, 100, &reservation) == NS_RING_OK);
    CHECK(ns_ring_read(ring, records, 3, SIZE_MAX).count == 3);
    CHECK(ns_ring_read(ring, records, 8, 0).count == 1); /* the first is always taken */
    CHECK(ns_ring_read(ring, records, 8, 2 * 108 - 1).count == 1);
    CHECK(ns_ring_read(ring, records, 8, 2 * 108).count == 2);
    CHECK(ns_ring_read(ring, records, 8, 5 * 108 - 1).count == 4);
    CHECK(ns_ring_read(ring, records, 8, 5 * 108).count == 5);
    CHECK(ns_ring_read(ring, records, 0, 500).count == 0);
    /* A second read, and a release of less than was read, are both valid. */
    ns_ring_release(ring, ns_ring_read(ring, records, 2, SIZE_MAX), false);
    CHECK(ns_ring_depth(ring) == 3 && free_space_is_zero(ring));
    /* An uncommitted record hides all records after it and none before it. */
    CHECK(ns_ring_reserve(ring, 10, &open) == NS_RING_OK);
    CHECK(push(ring, 9, 10, &reservation) == NS_RING_OK);
    CHECK(ns_ring_read(ring, records, 8, SIZE_MAX).count == 3);
    memset(ns_ring_payload(ring, &open), 'x', 10);
    ns_ring_commit(ring, &open, 8);
    CHECK(ns_ring_read(ring, records, 8, SIZE_MAX).count == 5);
    CHECK(records[3].source == 8 && is_push(&records[4], 9, 10));
    ns_ring_release(ring, ns_ring_read(ring, records, 8, SIZE_MAX), false);
    ns_ring_release(ring, ns_ring_read(ring, records, 8, SIZE_MAX), false); /* of nothing */
    CHECK(ns_ring_depth(ring) == 0 && free_space_is_zero(ring));
    ns_ring_unmap(ring);
}

/* Records of every size, started at every distance from the end of the data. */
static void test_wrap_at_every_alignment(void) {
    enum { UNITS = 4096 / 8 };
    for (uint32_t start = UNITS - 40; start < UNITS + 2; start++) {
        for (uint32_t size = 0; size < 330; size++) {
            ns_ring *ring = ring_of(4096, 100);
            ns_reservation reservation;
            ns_record records[3];
            start_at(ring, 0, start);
            CHECK(push(ring, 1, size, &reservation) == NS_RING_OK);
            CHECK(push(ring, 2, size, &reservation) == NS_RING_OK);
            uint32_t units = (size + 15) / 8, at = start % UNITS, skipped = 0;
            for (int i = 0; i < 2; i++, at = (at + units) % UNITS)
                if (at + units > UNITS) skipped += UNITS - at, at = 0;
            CHECK(reservation.units == 2 * units + skipped);
            CHECK(ns_ring_read(ring, records, 3, SIZE_MAX).count == 2);
            CHECK(is_push(&records[0], 1, size) && is_push(&records[1], 2, size));
            ns_ring_release(ring, ns_ring_read(ring, records, 3, SIZE_MAX), size % 2);
            CHECK(ns_ring_used_bytes(ring) == 0 && free_space_is_zero(ring));
            ns_ring_unmap(ring);
        }
    }
}

/* --- any order of operations, compared with a queue -------------------------------------------------------------- */

typedef struct shadow {
    uint32_t sizes[4096], numbers[4096], units[4096]; /* units, including the padding before the record */
    uint32_t count, used_units, next_number, at;      /* at: unit of the data at which the next record starts */
    uint64_t full;
} shadow;

static void step_push(ns_ring *ring, shadow *model, uint32_t size) {
    ns_reservation reservation;
    uint32_t capacity = (uint32_t)(ring->capacity / 8), units = (size + 15) / 8;
    uint32_t padding = model->at + units > capacity ? capacity - model->at : 0;
    bool fits = model->count < ring->max_spans && model->used_units + padding + units <= ring->max_units;
    ns_ring_status status = push(ring, model->next_number, size, &reservation);
    CHECK(status == (fits ? NS_RING_OK : NS_RING_FULL));
    if (fits) {
        model->sizes[model->count] = size;
        model->numbers[model->count] = model->next_number++;
        model->units[model->count++] = padding + units;
        model->used_units += padding + units;
        model->at = (model->at + padding + units) % capacity;
        CHECK(reservation.spans == model->count && reservation.units == model->used_units);
    } else {
        model->full++;
    }
}

static void step_take(ns_ring *ring, shadow *model, size_t max, bool give_back) {
    static ns_record records[4096];
    ns_ring_stretch stretch = ns_ring_read(ring, records, max, SIZE_MAX);
    uint32_t count = model->count < max ? model->count : (uint32_t)max;
    CHECK(stretch.count == count);
    for (uint32_t i = 0; i < count; i++) CHECK(is_push(&records[i], model->numbers[i], model->sizes[i]));
    ns_ring_release(ring, stretch, give_back);
    for (uint32_t i = 0; i < count; i++) model->used_units -= model->units[i];
    /* Padding before a record that was not read is freed together with the records before it. */
    uint32_t used = (uint32_t)(ns_ring_used_bytes(ring) / 8);
    if (count < model->count && used < model->used_units) {
        model->units[count] -= model->used_units - used;
        model->used_units = used;
    }
    CHECK(used == model->used_units);
    model->count -= count;
    memmove(model->sizes, model->sizes + count, model->count * sizeof *model->sizes);
    memmove(model->numbers, model->numbers + count, model->count * sizeof *model->numbers);
    memmove(model->units, model->units + count, model->count * sizeof *model->units);
}

static void check_random(uint64_t max_bytes, uint32_t max_spans, uint32_t spans, uint32_t units, uint32_t steps) {
    static shadow model;
    ns_ring *ring = ring_of(max_bytes, max_spans);
    start_at(ring, spans, units);
    model = (shadow){.at = units % (uint32_t)(ring->capacity / 8)};
    for (uint32_t i = 0; i < steps; i++) {
        bool filling = i / 200 % 2 == 0;
        if (random_below(10) < (filling ? 8u : 3u))
            step_push(ring, &model, random_below(random_below(20) ? 90 : ns_ring_max_record(ring) + 1));
        else step_take(ring, &model, random_below(2) ? SIZE_MAX : random_below(5), random_below(2));
        CHECK(ns_ring_depth(ring) == model.count);
        if (i % 16 == 0) CHECK(free_space_is_zero(ring));
    }
    CHECK(ns_ring_dropped_full(ring) == model.full);
    CHECK(ns_ring_ticket(ring) == spans + model.next_number);
    ns_ring_unmap(ring);
}

static void test_random(void) {
    check_random(4096, NS_RING_MAX_SPANS, 0, 0, 20000);
    check_random(4096, 3, 0, 0, 20000);
    check_random(5000, 20, 0, 0, 20000);
    check_random(65536, 777, 0, 0, 20000);
    /* Both halves of the position, and each half alone, wrap around 2^32 during the run. */
    check_random(4096, 17, UINT32_MAX - 100, UINT32_MAX - 1000, 20000);
    check_random(4096, 17, UINT32_MAX, 0, 2000);
    check_random(4096, 17, 0, UINT32_MAX, 2000);
    check_random(6000, NS_RING_MAX_SPANS, UINT32_MAX - 3, UINT32_MAX - 3, 20000);
}

static void test_give_back(void) {
    ns_ring *ring = ring_of(1 << 20, 1000);
    ns_reservation reservation;
    static ns_record records[1000];
    for (uint32_t offset = 0; offset < 40; offset++) {
        start_at(ring, 0, offset * 101);
        for (uint32_t i = 0; i < 3; i++) CHECK(push(ring, i, 100000 + i, &reservation) == NS_RING_OK);
        ns_ring_release(ring, ns_ring_read(ring, records, 2, SIZE_MAX), true);
        /* The other record on a partly freed page is unchanged. */
        CHECK(free_space_is_zero(ring) && ns_ring_read(ring, records, 9, SIZE_MAX).count == 1);
        CHECK(is_push(&records[0], 2, 100002));
        ns_ring_release(ring, ns_ring_read(ring, records, 2, SIZE_MAX), true);
        CHECK(free_space_is_zero(ring) && ns_ring_depth(ring) == 0);
    }
    ns_ring_unmap(ring);
}

static void test_reset(void) {
    ns_ring *ring = ring_of(1 << 20, 5);
    ns_reservation reservation;
    for (uint32_t number = 0; number < 6; number++) push(ring, number, 30000, &reservation);
    CHECK(push(ring, 0, 1 << 19, &reservation) == NS_RING_OVERSIZE);
    CHECK(ns_ring_depth(ring) == 5 && ns_ring_dropped_full(ring) == 1 && ns_ring_dropped_oversize(ring) == 1);
    ns_ring_reset(ring);
    CHECK(ns_ring_depth(ring) == 0 && ns_ring_ticket(ring) == 0 && ns_ring_used_bytes(ring) == 0);
    CHECK(ns_ring_dropped_full(ring) == 0 && ns_ring_dropped_oversize(ring) == 0);
    CHECK(free_space_is_zero(ring));
    CHECK(push(ring, 7, 10, &reservation) == NS_RING_OK);
    ns_record record;
    CHECK(ns_ring_read(ring, &record, 1, SIZE_MAX).count == 1 && is_push(&record, 7, 10));
    ns_ring_unmap(ring);
}

/* Giving back a range must not erase the data behind it in the same page, whatever the page size. */
static void test_give_back_keeps_neighbours(void) {
    ns_ring *ring = ring_of(1 << 22, 1000);
    ns_reservation reservation;
    ns_record record;
    for (uint32_t size = 200000; size < 200000 + 8 * 700; size += 8) {
        push(ring, 1, size, &reservation);
        push(ring, 2, 64, &reservation);
        ns_ring_release(ring, ns_ring_read(ring, &record, 1, SIZE_MAX), true);
        CHECK(ns_ring_read(ring, &record, 1, SIZE_MAX).count == 1 && is_push(&record, 2, 64));
        ns_ring_release(ring, ns_ring_read(ring, &record, 1, SIZE_MAX), false);
        CHECK(ns_ring_depth(ring) == 0);
    }
    CHECK(free_space_is_zero(ring));
    ns_ring_unmap(ring);
}

static void test_trim(void) {
    ns_ring *ring = ring_of((uint64_t)4 << 20, 100000);
    ns_reservation reservation;
    ns_record record;
    for (uint32_t round = 0; round < 300; round++) {
        uint32_t size = 10000 + round * 13;
        CHECK(push(ring, round, size, &reservation) == NS_RING_OK);
        ns_ring_trim(ring); /* in use: does nothing */
        CHECK(ns_ring_read(ring, &record, 1, SIZE_MAX).count == 1 && is_push(&record, round, size));
        ns_ring_release(ring, ns_ring_read(ring, &record, 1, SIZE_MAX), false);
        uint64_t before = ring->high_water;
        uint32_t ticket = ns_ring_ticket(ring);
        ns_ring_trim(ring);
        CHECK(ring->high_water == (before < 1 << 20 ? before : 0));
        CHECK(ns_ring_ticket(ring) == ticket); /* padding is not a span */
        CHECK(ns_ring_depth(ring) == 0 && ns_ring_used_bytes(ring) == 0 && free_space_is_zero(ring));
    }
    CHECK(ns_ring_dropped_full(ring) == 0);
    ns_ring_unmap(ring);
}

static uint64_t resident_bytes(ns_ring *ring) {
    static unsigned char in_memory[8192];
    uint64_t pages = (ring->mapped + ring->page - 1) / ring->page, resident = 0;
    CHECK(pages <= sizeof in_memory && mincore(ring, ring->mapped, in_memory) == 0);
    for (uint64_t i = 0; i < pages; i++) resident += in_memory[i] & 1;
    return resident * ring->page;
}

/* Memory of partial pages is given back once it adds up, however small the batches are. */
static void test_small_batches_leave_little(uint32_t spans, uint32_t size) {
    ns_ring *ring = ring_of((uint64_t)16 << 20, 1000);
    ns_reservation reservation;
    static ns_record records[1000];
    uint64_t max = 0;
    for (uint32_t batch = 0; batch < 3 * ring->capacity / (spans * size); batch++) {
        for (uint32_t i = 0; i < spans; i++) CHECK(push(ring, i, size, &reservation) == NS_RING_OK);
        ns_ring_release(ring, ns_ring_read(ring, records, spans, SIZE_MAX), true);
        ns_ring_trim(ring);
        if (batch % 64 == 0 && resident_bytes(ring) > max) max = resident_bytes(ring);
    }
    CHECK(max > 0 && max < (uint64_t)3 << 20);
    ns_ring_unmap(ring);
}

int main(void) {
    test_arguments();
    test_span_bound();
    test_refuse();
    test_byte_bound();
    test_oversize();
    test_read_limits();
    test_wrap_at_every_alignment();
    test_random();
    test_give_back();
    test_give_back_keeps_neighbours();
    test_reset();
    test_trim();
    test_small_batches_leave_little(1, 300);
    test_small_batches_leave_little(32, 400);
    return ns_test_summary();
}
