/* The ring and the wake-up under real threads: producers push records of random sizes, one consumer checks them.
 *
 *      stress_ring [producers] [records of each] [spans that wake the consumer] [seed]
 *
 * Checks: every record arrives complete and in its producer's order, or was counted as dropped; the bounds hold at every
 * read; no wake-up is lost. The run ends by counts, never by time.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "ns_require.h"
#include "queue/ns_ring.h"
#include "ns_test.h"
#include "queue/ns_wake.h"

enum { MAX_PRODUCERS = 64, MAX_BYTES = 3 << 14, MAX_SPANS = 301, MAX_PAYLOAD = 900, BATCH = 128 };

/* A sleep of this length means a lost wake-up. */
#define FOR_EVER (INT64_C(600) * 1000000000)

typedef struct header {
    uint32_t producer;
    uint32_t size;     /* of the whole payload */
    uint64_t number;   /* serial number of the accepted records */
    uint64_t checksum; /* of the bytes that follow */
} header;

typedef struct producer {
    pthread_t thread;
    uint32_t index;
    uint64_t attempts, random_state;
    uint64_t accepted, full, oversize;
} producer;

static ns_ring *ring;
static ns_wake consumer_wake;
static _Atomic uint32_t running;
static uint32_t wake_spans = 100; /* 1: the consumer reads close behind the producers */

static uint32_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static uint64_t checksum(const uint8_t *bytes, size_t size) {
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < size; i++) sum = (sum ^ bytes[i]) * 1099511628211u;
    return sum;
}

/* --- producers ----------------------------------------------------------------------------------------------------- */

static void wake_if_worth_it(const ns_reservation *reservation) {
    if (reservation->spans >= wake_spans || reservation->units >= ring->max_units / 4) ns_wake_up(&consumer_wake);
}

static void attempt(producer *self) {
    static _Thread_local uint8_t payload[MAX_PAYLOAD];
    header head = {.producer = self->index, .number = self->accepted};
    ns_reservation reservation;
    uint32_t choice = next_random(&self->random_state);
    if (choice % 256 == 0) {
        REQUIRE(ns_ring_reserve(ring, ns_ring_max_record(ring) + 1, &reservation) == NS_RING_OVERSIZE);
        self->oversize++;
        return;
    }
    head.size = (uint32_t)sizeof head + choice / 256 % (choice % 8 ? 80 : MAX_PAYLOAD - sizeof head);
    for (size_t i = sizeof head; i < head.size; i++) payload[i] = (uint8_t)next_random(&self->random_state);
    head.checksum = checksum(payload + sizeof head, head.size - sizeof head);
    memcpy(payload, &head, sizeof head);
    ns_ring_status status = ns_ring_push(ring, self->index, payload, head.size, &reservation);
    if (status == NS_RING_OK) {
        REQUIRE(reservation.spans >= 1 && reservation.spans <= MAX_SPANS);
        REQUIRE((uint64_t)reservation.units * NS_RING_UNIT <= MAX_BYTES);
        self->accepted++;
        wake_if_worth_it(&reservation);
    } else {
        REQUIRE(status == NS_RING_FULL);
        self->full++;
        /* Yield most of the time; otherwise nearly everything would be dropped on a small machine. */
        if (choice % 16) sched_yield();
    }
}

static void *produce(void *argument) {
    producer *self = argument;
    for (uint64_t i = 0; i < self->attempts; i++) attempt(self);
    atomic_fetch_sub(&running, 1);
    ns_wake_request(&consumer_wake);
    return NULL;
}

/* --- the consumer --------------------------------------------------------------------------------------------------- */

typedef struct consumer {
    uint64_t received[MAX_PRODUCERS];
    uint64_t sleeps, full_periods, random_state;
} consumer;

static void check_record(consumer *self, const ns_record *record) {
    header head;
    CHECK(record->size >= sizeof head);
    memcpy(&head, record->data, sizeof head);
    CHECK(head.producer < MAX_PRODUCERS && head.producer == record->source && head.size == record->size);
    CHECK(head.checksum == checksum(record->data + sizeof head, record->size - sizeof head));
    CHECK(head.number == self->received[head.producer]);
    self->received[head.producer]++;
}

static void check_bounds(void) {
    /* Exact: only the consumer moves the tail. */
    CHECK(ns_ring_depth(ring) <= MAX_SPANS && ns_ring_used_bytes(ring) <= MAX_BYTES);
}

static bool worth_reading(void) { return ns_ring_depth(ring) >= wake_spans || ns_ring_used_bytes(ring) >= MAX_BYTES / 4; }

static void sleep_if_idle(consumer *self) {
    ns_wake_announce(&consumer_wake);
    if (worth_reading() || ns_wake_requested(&consumer_wake)) {
        ns_wake_cancel(&consumer_wake);
        return;
    }
    self->sleeps++;
    CHECK(ns_wake_sleep(&consumer_wake, FOR_EVER));
}

/* Pauses until the producers have dropped records. */
static void let_it_fill(consumer *self) {
    uint64_t dropped = ns_ring_dropped_full(ring);
    while (ns_ring_dropped_full(ring) == dropped && atomic_load(&running)) {
        check_bounds();
        sched_yield();
    }
    self->full_periods++;
}

static void consume_some(consumer *self) {
    ns_record records[BATCH];
    size_t max = 1 + next_random(&self->random_state) % BATCH;
    size_t bytes = next_random(&self->random_state) % 4 ? SIZE_MAX : 2000;
    ns_ring_stretch stretch = ns_ring_read(ring, records, max, bytes);
    check_bounds();
    for (size_t i = 0; i < stretch.count; i++) check_record(self, &records[i]);
    ns_ring_release(ring, stretch, next_random(&self->random_state) % 8 == 0);
    if (stretch.count == 0) sched_yield(); /* the first record is reserved but not committed */
}

static void consume(consumer *self) {
    for (;;) {
        ns_wake_take_request(&consumer_wake);
        bool last_round = atomic_load(&running) == 0;
        while (worth_reading() || (last_round && ns_ring_depth(ring))) {
            if (next_random(&self->random_state) % 64 == 0) let_it_fill(self);
            consume_some(self);
        }
        if (last_round) return;
        if (next_random(&self->random_state) % 4 == 0) ns_ring_trim(ring);
        sleep_if_idle(self);
    }
}

/* --- one record, behind padding -------------------------------------------------------------------------------------- */

static void *push_one(void *argument) {
    ns_reservation reservation;
    REQUIRE(ns_ring_push(ring, 7, argument, 100, &reservation) == NS_RING_OK);
    return NULL;
}

/* With many records in flight, a later commit could publish the bytes of an earlier one. A lone record makes ThreadSanitizer
 * check each of the two commits. */
static void check_commits_alone(void) {
    static uint8_t payload[100];
    memset(payload, 'p', sizeof payload);
    for (int round = 0; round < 20; round++) {
        pthread_t thread;
        ns_record record;
        ns_ring_stretch stretch;
        CHECK(ns_ring_map(&ring, NS_RING_MIN_BYTES, 1) == 0);
        atomic_store(&ring->head, NS_RING_MIN_BYTES / NS_RING_UNIT - 1);
        atomic_store(&ring->tail, NS_RING_MIN_BYTES / NS_RING_UNIT - 1);
        CHECK(pthread_create(&thread, NULL, push_one, payload) == 0);
        while ((stretch = ns_ring_read(ring, &record, 1, 0)).count == 0) sched_yield();
        CHECK(record.source == 7 && record.size == 100 && memcmp(record.data, payload, 100) == 0);
        ns_ring_release(ring, stretch, false);
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(ns_ring_used_bytes(ring) == 0);
        ns_ring_unmap(ring);
    }
}

int main(int argc, char **argv) {
    uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 4;
    uint64_t attempts = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;
    if (argc > 3) wake_spans = (uint32_t)strtoul(argv[3], NULL, 10);
    uint64_t seed = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
    static producer producers[MAX_PRODUCERS];
    static consumer consumer;
    CHECK(count >= 1 && count <= MAX_PRODUCERS && wake_spans >= 1 && wake_spans <= MAX_SPANS);
    check_commits_alone();
    CHECK(ns_ring_map(&ring, MAX_BYTES, MAX_SPANS) == 0);
    /* Both halves of the positions wrap around 2^32 early in the run. */
    uint64_t start = (uint64_t)(UINT32_MAX - 5000) << 32 | (UINT32_MAX - 100000);
    atomic_store(&ring->head, start);
    atomic_store(&ring->tail, start);
    consumer.random_state = seed;
    atomic_store(&running, count);
    for (uint32_t i = 0; i < count; i++) {
        producers[i] = (producer){.index = i, .attempts = attempts, .random_state = seed * 1000 + i};
        CHECK(pthread_create(&producers[i].thread, NULL, produce, &producers[i]) == 0);
    }
    consume(&consumer);
    uint64_t received = 0, full = 0, oversize = 0;
    for (uint32_t i = 0; i < count; i++) {
        CHECK(pthread_join(producers[i].thread, NULL) == 0);
        CHECK(consumer.received[i] == producers[i].accepted);
        CHECK(producers[i].accepted + producers[i].full + producers[i].oversize == attempts);
        received += consumer.received[i];
        full += producers[i].full;
        oversize += producers[i].oversize;
    }
    CHECK(ns_ring_dropped_full(ring) == full && ns_ring_dropped_oversize(ring) == oversize);
    CHECK(received + full + oversize == count * attempts);
    CHECK(received > 0 && ns_ring_depth(ring) == 0 && ns_ring_used_bytes(ring) == 0);
    CHECK(ns_ring_ticket(ring) == (uint32_t)(UINT32_MAX - 5000 + received));
    for (uint64_t i = 0; i < ring->capacity; i++) CHECK(ns_ring_data(ring)[i] == 0);
    ns_ring_unmap(ring);
    printf("stress_ring: ok, %lu checks; %u producers, wake at %u: received %llu, full %llu, oversize %llu; "
           "slept %llu times, stood still %llu\n",
           ns_test_checks, count, wake_spans, (unsigned long long)received, (unsigned long long)full,
           (unsigned long long)oversize, (unsigned long long)consumer.sleeps, (unsigned long long)consumer.full_periods);
    return 0;
}
