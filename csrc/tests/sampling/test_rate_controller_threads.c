/* Several threads call the rate controller while others read and retarget it: nothing is counted twice or lost, and it
 * settles where a single thread would. Their common clock is virtual. */
#include "sampling/ns_rate_controller.h"

#include <pthread.h>

#include "ns_test.h"
#include "sampling/traffic.h"

enum { THREADS = 4, ASKS = 200000, NANOSECONDS = 10000 }; /* 100,000 roots per second of virtual time */

static ns_rate_controller controller;
static _Atomic uint64_t virtual_now = 1;

typedef struct asker {
    pthread_t thread;
    uint64_t seed, kept;
    double counted;
} asker;

static void *ask(void *argument) {
    asker *self = argument;
    traffic random = {.random = self->seed};
    for (int i = 0; i < ASKS; i++) {
        uint64_t now = atomic_fetch_add_explicit(&virtual_now, NANOSECONDS, memory_order_relaxed);
        uint64_t randomness = traffic_randomness(&random);
        uint64_t threshold = ns_rate_controller_ask(&controller, randomness, now);
        if (threshold >= NS_THRESHOLD_LIMIT) abort();
        if (!ns_threshold_keeps(randomness, threshold)) continue;
        self->kept++;
        self->counted += 0x1p56 / (double)(NS_THRESHOLD_LIMIT - threshold);
        for (int k = 0; k < 4; k++) ns_rate_controller_note_span_of(&controller, randomness);
        if (i % 1000 == 0) ns_rate_controller_note_entry(&controller);
    }
    return NULL;
}

static void test_threads(void) {
    ns_rate_controller_init(&controller, 10000, NS_RATE_CONTROLLER_SPANS, 0, 0);
    static asker askers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        askers[i].seed = (uint64_t)i + 1;
        CHECK(pthread_create(&askers[i].thread, NULL, ask, &askers[i]) == 0);
    }
    for (int i = 0; i < 1000; i++) {
        ns_rate_controller_state now;
        ns_rate_controller_read(&controller, &now);
        CHECK(now.probability > 0 && now.probability <= 1);
        ns_rate_controller_retarget(&controller, 10000 + i % 2);
    }
    uint64_t kept = 0;
    double counted = 0;
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(askers[i].thread, NULL) == 0);
        kept += askers[i].kept;
        counted += askers[i].counted;
    }
    ns_rate_controller_state end;
    ns_rate_controller_read(&controller, &end);
    CHECK(end.asked == THREADS * ASKS && end.kept == kept && end.spans == 4 * kept);
    counted /= THREADS * ASKS;
    CHECK(counted > 0.9 && counted < 1.1);
    CHECK(end.spans_per_trace > 4 && end.spans_per_trace < 5.1);
    /* A thread that is preempted between its clock and its call makes an interval look slightly fuller than it was. */
    CHECK(end.probability > 0.01 && end.probability < 0.04); /* 10,000 / (100,000 * 5) = 0.02 */
}

int main(void) {
    test_threads();
    return ns_test_summary();
}
