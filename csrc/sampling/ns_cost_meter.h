/* What tracing costs, summed over the process: the measurements that OverheadBudget (ns_cpu_budget.h) lives on.
 *
 * Every span is counted; one in NS_COST_METER_EVERY is timed, since the two clock reads of a timing (44 ns) would cost a fifth
 * of an unsampled span. Which ones is spread by a golden-ratio sequence: "every 64th" would always time the same place of
 * a request of 64 spans.
 *
 * A timing is wall time between two points of one thread, and so contains, once in a while, a wait for the interpreter
 * lock or for a core. That is somebody else's CPU: one wait of 5 ms would weigh as much as five thousand spans. A span is
 * therefore booked with NS_COST_METER_MAX at most.
 *
 * All operations are relaxed: each word is a sum of its own, nothing is published through it, and the law divides sums of
 * thousands, to which a span that is in one and not yet in the other does nothing. Items are added after their
 * nanoseconds, and read before them, on no promise of order.
 */
#ifndef NS_COST_METER_H
#define NS_COST_METER_H

#include <stdatomic.h>

#include "base/ns_base.h"

#define NS_COST_METER_EVERY 64
#define NS_COST_METER_MAX  UINT64_C(100000) /* nanoseconds booked for one span */

/*       0          8          16                    32                    48
 *       | spans    | sampled  | timed: no, yes      | nanoseconds: no, yes | worker   |
 *
 * One line: the thread that starts a span writes most of it. Index 0: spans that were not sampled, 1: sampled. */
typedef struct ns_cost_meter {
    _Atomic uint64_t spans;          /* started */
    _Atomic uint64_t sampled;        /* of them */
    _Atomic uint64_t timed[2];       /* of them, those whose cost was measured */
    _Atomic uint64_t nanoseconds[2]; /* that these cost the application's threads */
    _Atomic uint64_t worker;         /* nanoseconds of CPU that exporting used */
} ns_cost_meter;

typedef struct ns_cost_meter_reading {
    uint64_t spans, sampled, timed[2], nanoseconds[2], worker;
} ns_cost_meter_reading;

static inline void ns_cost_meter_add(_Atomic uint64_t *sum, uint64_t by) {
    atomic_fetch_add_explicit(sum, by, memory_order_relaxed);
}

static inline uint64_t ns_cost_meter_get(const _Atomic uint64_t *sum) { return atomic_load_explicit(sum, memory_order_relaxed); }

/* Counts a span that starts. Returns whether it is one whose cost is to be timed, from its start to its end. */
static inline bool ns_cost_meter_start(ns_cost_meter *meter) {
    uint64_t ticket = atomic_fetch_add_explicit(&meter->spans, 1, memory_order_relaxed);
    return ticket * UINT64_C(0x9e3779b97f4a7c15) <= UINT64_MAX / NS_COST_METER_EVERY;
}

/* The span that was just started is sampled. */
static inline void ns_cost_meter_sampled(ns_cost_meter *meter) { ns_cost_meter_add(&meter->sampled, 1); }

/* What one timed span cost, all its calls together. */
static inline void ns_cost_meter_timed(ns_cost_meter *meter, bool sampled, uint64_t nanoseconds) {
    ns_cost_meter_add(&meter->nanoseconds[sampled], nanoseconds < NS_COST_METER_MAX ? nanoseconds : NS_COST_METER_MAX);
    ns_cost_meter_add(&meter->timed[sampled], 1);
}

/* CPU used by a worker since it last said so. */
static inline void ns_cost_meter_worker(ns_cost_meter *meter, uint64_t cpu_nanoseconds) {
    ns_cost_meter_add(&meter->worker, cpu_nanoseconds);
}

static inline void ns_cost_meter_read(const ns_cost_meter *meter, ns_cost_meter_reading *reading) {
    reading->sampled = ns_cost_meter_get(&meter->sampled);
    reading->spans = ns_cost_meter_get(&meter->spans);
    for (int kind = 0; kind < 2; kind++) {
        reading->timed[kind] = ns_cost_meter_get(&meter->timed[kind]);
        reading->nanoseconds[kind] = ns_cost_meter_get(&meter->nanoseconds[kind]);
    }
    reading->worker = ns_cost_meter_get(&meter->worker);
}

/* Back to zero, as in a forked child. Nobody may be adding. */
static inline void ns_cost_meter_reset(ns_cost_meter *meter) {
    _Atomic uint64_t *const sums[] = {&meter->spans,          &meter->sampled,        &meter->timed[0], &meter->timed[1],
                                      &meter->nanoseconds[0], &meter->nanoseconds[1], &meter->worker};
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) atomic_store_explicit(sums[i], 0, memory_order_relaxed);
}

#endif
