/* The races of the ring, each forced to both outcomes.
 *
 * The ring's source is compiled into this file. It stops at its own hooks, and at its atomic accesses for steps without a
 * hook: the two macros below intercept them.
 */
#include <stdatomic.h>
#include <stdint.h>

/* Stop points in addition to the hooks of ns_ring.h. */
enum { LOADING_TAIL = 10, LOADING_HEAD = 11, STORING_SIZE = 12 };

static void observe_load(const void *address);
static void steps_point(int point);

static inline uint64_t stopping_load_64(_Atomic uint64_t *from, memory_order order) {
    observe_load(from);
    return atomic_load_explicit(from, order);
}

static inline uint32_t stopping_load_32(_Atomic uint32_t *from, memory_order order) {
    return atomic_load_explicit(from, order);
}

static inline void stopping_store_64(_Atomic uint64_t *to, uint64_t value, memory_order order) {
    atomic_store_explicit(to, value, order);
}

static inline void stopping_store_32(_Atomic uint32_t *to, uint32_t value, memory_order order) {
    steps_point(STORING_SIZE);
    atomic_store_explicit(to, value, order);
}

#undef atomic_load_explicit
#undef atomic_store_explicit
#define atomic_load_explicit(from, order) \
    _Generic((from), _Atomic uint64_t *: stopping_load_64, _Atomic uint32_t *: stopping_load_32)(from, order)
#define atomic_store_explicit(to, value, order) \
    _Generic((to), _Atomic uint64_t *: stopping_store_64, _Atomic uint32_t *: stopping_store_32)(to, value, order)

#define NS_RING_TEST_HOOKS
#include "queue/ns_ring.c"

#include "sampling/steps.h"

static ns_ring *ring;

static void observe_load(const void *address) {
    if (address == &ring->tail) steps_point(LOADING_TAIL);
    if (address == &ring->head) steps_point(LOADING_HEAD);
}

/* --- actors ---------------------------------------------------------------------------------------------------- */

typedef struct producer {
    actor actor;
    uint32_t source;
    uint32_t size;
    ns_reservation reservation;
    ns_ring_status status;
} producer;

static void push_one(void *argument) {
    producer *self = argument;
    uint8_t payload[1024];
    memset(payload, (int)self->source, self->size);
    self->status = ns_ring_push(ring, self->source, payload, self->size, &self->reservation);
}

static void begin_producer(producer *who, uint32_t source, uint32_t size) {
    *who = (producer){.source = source, .size = size};
    steps_begin(&who->actor, push_one, who);
}

static void release_all(void *unused) {
    (void)unused;
    ns_record records[64];
    ns_ring_release(ring, ns_ring_read(ring, records, 64, SIZE_MAX), false);
}

static void trim(void *unused) {
    (void)unused;
    ns_ring_trim(ring);
}

/* --- steps of the test itself --------------------------------------------------------------------------------- */

static void begin(uint32_t max_spans, uint32_t units) {
    ns_ring_test_hook = steps_point;
    CHECK(ns_ring_map(&ring, NS_RING_MIN_BYTES, max_spans) == 0);
    atomic_store(&ring->head, units);
    atomic_store(&ring->tail, units);
}

static void push_now(uint32_t source, uint32_t size) {
    producer who = {.source = source, .size = size};
    push_one(&who);
    CHECK(who.status == NS_RING_OK);
}

/* Reads everything. The records must be exactly those of the listed sources (terminated by 0), in that order. */
static bool reads(const uint32_t *sources) {
    ns_record records[64];
    ns_ring_stretch stretch = ns_ring_read(ring, records, 64, SIZE_MAX);
    size_t count = 0;
    for (; sources[count]; count++) {
        if (count == stretch.count || records[count].source != sources[count]) return false;
        for (uint32_t i = 0; i < records[count].size; i++)
            if (records[count].data[i] != sources[count]) return false;
    }
    return count == stretch.count;
}

#define READS(...)      reads((const uint32_t[]){__VA_ARGS__, 0})
#define READS_NOTHING() reads((const uint32_t[]){0})

static void end(uint64_t dropped) {
    release_all(NULL);
    CHECK(ns_ring_depth(ring) == 0 && ns_ring_used_bytes(ring) == 0);
    for (uint64_t i = 0; i < ring->capacity; i++) CHECK(ns_ring_data(ring)[i] == 0);
    CHECK(ns_ring_dropped_full(ring) == dropped && ns_ring_dropped_oversize(ring) == 0);
    ns_ring_unmap(ring);
}

/* --- races for the head ---------------------------------------------------------------------------------------- */

static void test_two_swaps(bool a_wins) {
    producer a, b;
    begin(10, 0);
    begin_producer(&a, 1, 20);
    begin_producer(&b, 2, 40);
    steps_to(&a.actor, NS_RING_BEFORE_SWAP);
    steps_to(&b.actor, NS_RING_BEFORE_SWAP);
    steps_end(a_wins ? &a.actor : &b.actor); /* the swap of the other producer must fail and be retried */
    steps_end(a_wins ? &b.actor : &a.actor);
    CHECK(a.status == NS_RING_OK && b.status == NS_RING_OK);
    CHECK(a_wins ? READS(1, 2) : READS(2, 1));
    CHECK(a.reservation.spans == (a_wins ? 1 : 2) && b.reservation.spans == (a_wins ? 2 : 1));
    end(0);
}

/* Of two producers that race for the last place, the loser is dropped and counted, the winner is not. */
static void test_last_place(bool a_wins, bool by_bytes) {
    producer a, b;
    begin(by_bytes ? 100 : 3, 0);
    if (by_bytes) {
        for (uint32_t i = 0; i < 7; i++) push_now(9, 504); /* 512 of 4096 bytes each */
    } else {
        push_now(9, 504), push_now(9, 504);
    }
    begin_producer(&a, 1, 500);
    begin_producer(&b, 2, 500);
    steps_to(&a.actor, NS_RING_BEFORE_SWAP);
    steps_to(&b.actor, NS_RING_BEFORE_SWAP);
    steps_end(a_wins ? &a.actor : &b.actor);
    steps_end(a_wins ? &b.actor : &a.actor);
    CHECK(a.status == (a_wins ? NS_RING_OK : NS_RING_FULL));
    CHECK(b.status == (a_wins ? NS_RING_FULL : NS_RING_OK));
    end(1);
}

/* --- races of a full ring with the consumer -------------------------------------------------------------------- */

/* The producer saw a full ring through a stale tail: it must check again. */
static void test_freed_before_decision(void) {
    producer a;
    begin(2, 0);
    push_now(8, 8), push_now(9, 8);
    begin_producer(&a, 1, 8);
    steps_to(&a.actor, LOADING_TAIL);
    steps_to(&a.actor, LOADING_TAIL); /* found the ring full, about to check again */
    release_all(NULL);
    steps_end(&a.actor);
    CHECK(a.status == NS_RING_OK && a.reservation.spans == 1);
    CHECK(READS(1));
    end(0);
}

static void test_freed_after_decision(void) {
    producer a;
    begin(2, 0);
    push_now(8, 8), push_now(9, 8);
    begin_producer(&a, 1, 8);
    steps_end(&a.actor);
    release_all(NULL);
    CHECK(a.status == NS_RING_FULL);
    end(1);
}

/* Between the producer's two loads the ring is emptied and filled again. With the old tail it seems to hold more than its
 * capacity. That must not count as full if there is room now. */
static void test_tail_overtaken(bool room_now) {
    producer a;
    begin(2, 0);
    push_now(8, 8), push_now(9, 8);
    begin_producer(&a, 1, 8);
    steps_to(&a.actor, LOADING_TAIL);
    steps_to(&a.actor, LOADING_HEAD);
    release_all(NULL);
    push_now(6, 8);
    if (!room_now) push_now(7, 8);
    steps_end(&a.actor);
    CHECK(a.status == (room_now ? NS_RING_OK : NS_RING_FULL));
    CHECK(room_now ? READS(6, 1) : READS(6, 7));
    end(!room_now);
}

/* With a stale tail the producer sees the ring fuller than it is, never emptier. */
static void test_stale_tail_is_safe(void) {
    producer a;
    begin(3, 0);
    push_now(9, 8);
    begin_producer(&a, 1, 8);
    steps_to(&a.actor, NS_RING_BEFORE_SWAP); /* has loaded both positions */
    release_all(NULL);                       /* moves the tail, not the head: the swap succeeds */
    steps_end(&a.actor);
    CHECK(a.status == NS_RING_OK && a.reservation.spans == 2);
    CHECK(READS(1) && ns_ring_depth(ring) == 1);
    end(0);
}

/* The consumer has zeroed the space and not yet published it. */
static void test_release_against_reserve(bool tail_first) {
    producer a;
    actor consumer;
    begin(2, 0);
    push_now(8, 8), push_now(9, 8);
    steps_begin(&consumer, release_all, NULL);
    steps_to(&consumer, NS_RING_BEFORE_TAIL);
    begin_producer(&a, 1, 8);
    if (tail_first) steps_end(&consumer);
    steps_end(&a.actor);
    CHECK(a.status == (tail_first ? NS_RING_OK : NS_RING_FULL));
    if (!tail_first) steps_end(&consumer);
    if (tail_first) CHECK(READS(1));
    end(!tail_first);
}

/* --- races of commits with the consumer ------------------------------------------------------------------------ */

static void test_commit_out_of_order(void) {
    producer a, b, c;
    begin(10, 0);
    begin_producer(&a, 1, 20);
    begin_producer(&b, 2, 30);
    begin_producer(&c, 3, 40);
    steps_to(&a.actor, NS_RING_BEFORE_COMMIT);
    steps_to(&b.actor, NS_RING_BEFORE_COMMIT);
    steps_to(&c.actor, NS_RING_BEFORE_COMMIT);
    CHECK(READS_NOTHING());
    steps_end(&c.actor);
    CHECK(READS_NOTHING());
    steps_end(&a.actor);
    CHECK(READS(1));
    release_all(NULL); /* frees a, but not the space that b still occupies */
    CHECK(ns_ring_depth(ring) == 2 && READS_NOTHING());
    steps_end(&b.actor);
    CHECK(READS(2, 3));
    end(0);
}

/* All space that an uncommitted record leaves free can be used, and not one byte more. */
static void test_full_behind_uncommitted(void) {
    producer a, b;
    begin(100, 0);
    begin_producer(&a, 1, 504);
    steps_to(&a.actor, NS_RING_BEFORE_COMMIT);
    for (uint32_t i = 0; i < 7; i++) push_now(2, 504);
    begin_producer(&b, 3, 0);
    steps_end(&b.actor);
    CHECK(b.status == NS_RING_FULL && READS_NOTHING());
    steps_end(&a.actor);
    CHECK(READS(1, 2, 2, 2, 2, 2, 2, 2));
    end(1);
}

/* --- padding ---------------------------------------------------------------------------------------------------- */

enum { UNITS = NS_RING_MIN_BYTES / NS_RING_UNIT };

static void test_padding_not_committed(void) {
    producer a;
    begin(10, UNITS - 3);
    begin_producer(&a, 1, 100);
    steps_to(&a.actor, STORING_SIZE); /* padding and record are both reserved, neither is committed */
    push_now(2, 8);                   /* lies behind the record of a */
    CHECK(READS_NOTHING());
    release_all(NULL);
    CHECK(ns_ring_depth(ring) == 2);
    steps_to(&a.actor, NS_RING_BEFORE_COMMIT); /* the padding is committed, the record is not */
    CHECK(READS_NOTHING());
    release_all(NULL); /* frees the padding alone */
    CHECK(ns_ring_depth(ring) == 2 && ns_ring_used_bytes(ring) == 14 * 8 + 2 * 8);
    steps_end(&a.actor);
    CHECK(READS(1, 2));
    end(0);
}

/* Both producers plan to pad; only the winner may do so. */
static void test_two_at_the_wrap(bool a_wins) {
    producer a, b;
    begin(10, UNITS - 3);
    begin_producer(&a, 1, 100);
    begin_producer(&b, 2, 200);
    steps_to(&a.actor, NS_RING_BEFORE_SWAP);
    steps_to(&b.actor, NS_RING_BEFORE_SWAP);
    steps_end(a_wins ? &a.actor : &b.actor);
    steps_end(a_wins ? &b.actor : &a.actor);
    CHECK(a_wins ? READS(1, 2) : READS(2, 1));
    CHECK(ns_ring_used_bytes(ring) == 3 * 8 + (100 + 8 + 4) + (200 + 8));
    end(0);
}

/* A small record takes the space that a large record planned to pad; the large record must plan again. */
static void test_padding_plan_overtaken(void) {
    producer a;
    begin(10, UNITS - 3);
    begin_producer(&a, 1, 100);
    steps_to(&a.actor, NS_RING_BEFORE_SWAP);
    push_now(2, 16); /* three units: ends where the data ends */
    steps_end(&a.actor);
    CHECK(READS(2, 1) && a.reservation.offset == 0);
    CHECK(ns_ring_used_bytes(ring) == 3 * 8 + 14 * 8);
    end(0);
}

/* --- trimming --------------------------------------------------------------------------------------------------- */

static void test_trim_against_reserve(bool trim_first) {
    producer a;
    actor consumer;
    begin(10, 0);
    ring->high_water = 1 << 20; /* as after much traffic */
    steps_begin(&consumer, trim, NULL);
    steps_to(&consumer, NS_RING_BEFORE_SWAP);
    begin_producer(&a, 1, 100);
    if (trim_first) {
        steps_to(&a.actor, NS_RING_BEFORE_SWAP);
        steps_to(&consumer, STORING_SIZE); /* has reserved its padding */
        steps_end(&a.actor);               /* lies behind the padding */
        CHECK(READS_NOTHING());
    } else {
        steps_to(&a.actor, NS_RING_BEFORE_COMMIT); /* reserved first: the padding lies behind it */
    }
    steps_end(&consumer);
    if (!trim_first) {
        CHECK(READS_NOTHING());
        steps_end(&a.actor);
    }
    CHECK(READS(1));
    end(0);
}

int main(void) {
    for (int a_wins = 0; a_wins < 2; a_wins++) {
        test_two_swaps(a_wins);
        test_last_place(a_wins, false);
        test_last_place(a_wins, true);
        test_two_at_the_wrap(a_wins);
        test_tail_overtaken(a_wins);
        test_release_against_reserve(a_wins);
        test_trim_against_reserve(a_wins);
    }
    test_freed_before_decision();
    test_freed_after_decision();
    test_stale_tail_is_safe();
    test_commit_out_of_order();
    test_full_behind_uncommitted();
    test_padding_not_committed();
    test_padding_plan_overtaken();
    return ns_test_summary();
}
