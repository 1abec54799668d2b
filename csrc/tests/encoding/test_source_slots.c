/* Slots of sources: threads take, retain and release references while one thread fills and sweeps. */
#define NS_FREE_THREADS 1

#include "encoding/ns_source_slots.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "ns_require.h"
#include "ns_test.h"

#define SLOTS  4
#define PAIRS  8
#define TAKERS 3
#define TAKEN  2000 /* minimum for each thread */
#define SWEEPS 4000

/* The data that a slot describes: written before the slot opens, wiped and freed after it closes. */
typedef struct description {
    int pair;
} description;

static char resources[PAIRS], scopes[PAIRS];
static ns_source_slot slots[SLOTS];
static description *described[SLOTS];
static _Atomic bool stopped;

static void fill(int slot, int pair) {
    ns_source_slot_fill(&slots[slot], &resources[pair], &scopes[pair]);
    described[slot] = malloc(sizeof(description));
    described[slot]->pair = pair;
    ns_source_slot_open(&slots[slot]);
    ns_source_slot_release(&slots[slot]);
}

static void *take_and_release(void *argument) {
    unsigned random = (unsigned)(uintptr_t)argument * 2654435761u + 1;
    for (int taken = 0; taken < TAKEN || !atomic_load(&stopped);) {
        random = random * 1664525u + 1013904223u;
        int slot = (int)(random >> 16) % SLOTS, pair = (int)(random >> 24) % PAIRS;
        if (!ns_source_slot_take(&slots[slot], &resources[pair], &scopes[pair])) continue;
        /* With a reference, the description is neither freed nor replaced. */
        REQUIRE(described[slot]->pair == pair);
        ns_source_slot_retain(&slots[slot]);
        ns_source_slot_release(&slots[slot]);
        REQUIRE(described[slot]->pair == pair);
        ns_source_slot_release(&slots[slot]);
        taken++;
    }
    return NULL;
}

static void test_takers_beside_a_sweeper(void) {
    pthread_t takers[TAKERS];
    for (int slot = 0; slot < SLOTS; slot++) CHECK(!ns_source_slot_take(&slots[slot], &resources[0], &scopes[0]));
    for (uintptr_t i = 0; i < TAKERS; i++) CHECK(pthread_create(&takers[i], NULL, take_and_release, (void *)i) == 0);
    int next = 0, closed = 0;
    for (int slot = 0; slot < SLOTS; slot++) fill(slot, next++ % PAIRS);
    for (int sweep = 0; sweep < SWEEPS || closed < SLOTS; sweep++) {
        int slot = sweep % SLOTS;
        if (!ns_source_slot_close(&slots[slot])) continue;
        closed++;
        described[slot]->pair = -1;
        free(described[slot]);
        fill(slot, next++ % PAIRS);
    }
    atomic_store(&stopped, true);
    for (int i = 0; i < TAKERS; i++) pthread_join(takers[i], NULL);
    for (int slot = 0; slot < SLOTS; slot++) {
        CHECK(ns_source_slot_close(&slots[slot])); /* no references: every take was released */
        free(described[slot]);
    }
}

static void test_a_pair_is_both(void) {
    ns_source_slot slot = {0};
    ns_source_slot_fill(&slot, &resources[1], &scopes[1]);
    CHECK(!ns_source_slot_take(&slot, &resources[1], &scopes[1])); /* not open yet */
    ns_source_slot_open(&slot);
    CHECK(!ns_source_slot_take(&slot, &resources[1], &scopes[2]));
    CHECK(!ns_source_slot_take(&slot, &resources[2], &scopes[1]));
    CHECK(ns_source_slot_take(&slot, &resources[1], &scopes[1]));
    ns_source_slot_release(&slot);
    CHECK(!ns_source_slot_close(&slot)); /* the adder's reference */
    ns_source_slot_release(&slot);
    CHECK(ns_source_slot_close(&slot));
    CHECK(!ns_source_slot_take(&slot, &resources[1], &scopes[1]));
}

int main(void) {
    test_a_pair_is_both();
    test_takers_beside_a_sweeper();
    return ns_test_summary();
}
