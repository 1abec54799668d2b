/* The cost of tracing, summed over the process: the measurements for OverheadBudget (ns_cpu_budget.h).
 *
 * Every span is counted. One span in NS_COST_METER_EVERY is timed, because the two clock reads of a timing (44 ns) would
 * cost a fifth of an unsampled span. A golden-ratio sequence selects the timed spans: "every 64th" would always time the
 * same position in a request of 64 spans.
 *
 * A timing is wall time between two points of one thread, so it sometimes contains a wait for the GIL or for a core. That
 * time is not a cost of the span: one wait of 5 ms would weigh as much as five thousand spans. A span is therefore recorded
 * with at most NS_COST_METER_MAX.
 *
 * A timing lacks what surrounds it: the call of each method, the `with` statement, the release of the span. It is a third of
 * an unsampled span. The process measures it once (nanospan.trace._surroundings) and every timing is that much longer.
 *
 * All operations are relaxed: each word is an independent sum, nothing is published through it, and the control law divides sums of
 * thousands, in which a span counted in one word and not yet in the other has no effect. A count is added
 * after its nanoseconds and read before them, which keeps averages close; relaxed order does not guarantee it.
 */
#ifndef NS_COST_METER_H
#define NS_COST_METER_H

#include <stdatomic.h>

#include "base/ns_base.h"

#define NS_COST_METER_EVERY 64
#define NS_COST_METER_MAX   UINT64_C(100000) /* upper limit, in nanoseconds, recorded for one span */

/*       0          8          16                    32                     48         56             60      62
 *       | spans    | sampled  | timed: no, yes      | nanoseconds: no, yes | worker   | around: n, y | call  | free |
 *
 * One cache line, because a thread that starts a span writes most of it. Index 0: unsampled spans, 1: sampled spans.
 */
typedef struct ns_cost_meter {
    _Atomic uint64_t spans;          /* spans started */
    _Atomic uint64_t sampled;        /* of these, sampled */
    _Atomic uint64_t timed[2];       /* of these, timed */
    _Atomic uint64_t nanoseconds[2]; /* cost of the timed spans on the application's threads */
    _Atomic uint64_t worker;         /* CPU time of exporting, in nanoseconds */
    _Atomic uint16_t around[2];      /* nanoseconds around the timing of a span; 0: not measured */
    _Atomic uint16_t call;           /* nanoseconds around one further call of a span, such as set_attribute */
} ns_cost_meter;

typedef struct ns_cost_meter_reading {
    uint64_t spans, sampled, timed[2], nanoseconds[2], worker;
} ns_cost_meter_reading;

static inline void ns_cost_meter_add(_Atomic uint64_t *sum, uint64_t by) {
    atomic_fetch_add_explicit(sum, by, memory_order_relaxed);
}

static inline uint64_t ns_cost_meter_get(const _Atomic uint64_t *sum) {
    return atomic_load_explicit(sum, memory_order_relaxed);
}

/* Counts a span that starts. Returns whether to time this span, from its start to its end. */
static inline bool ns_cost_meter_start(ns_cost_meter *meter) {
    uint64_t ticket = atomic_fetch_add_explicit(&meter->spans, 1, memory_order_relaxed);
    return ticket * UINT64_C(0x9e3779b97f4a7c15) <= UINT64_MAX / NS_COST_METER_EVERY;
}

/* Counts the span that just started as sampled. */
static inline void ns_cost_meter_sampled(ns_cost_meter *meter) { ns_cost_meter_add(&meter->sampled, 1); }

/* Sets what surrounds a timing, in nanoseconds. */
static inline void ns_cost_meter_surround(ns_cost_meter *meter, uint16_t unsampled, uint16_t sampled, uint16_t call) {
    atomic_store_explicit(&meter->around[0], unsampled, memory_order_relaxed);
    atomic_store_explicit(&meter->around[1], sampled, memory_order_relaxed);
    atomic_store_explicit(&meter->call, call, memory_order_relaxed);
}

/* The nanoseconds around one further call of a timed span. */
static inline uint32_t ns_cost_meter_call(const ns_cost_meter *meter) {
    return atomic_load_explicit(&meter->call, memory_order_relaxed);
}

/* Records the cost of one timed span, all its calls together. */
static inline void ns_cost_meter_timed(ns_cost_meter *meter, bool sampled, uint64_t nanoseconds) {
    nanoseconds += atomic_load_explicit(&meter->around[sampled], memory_order_relaxed);
    ns_cost_meter_add(&meter->nanoseconds[sampled], nanoseconds < NS_COST_METER_MAX ? nanoseconds : NS_COST_METER_MAX);
    ns_cost_meter_add(&meter->timed[sampled], 1);
}

/* Adds the CPU time that a worker used since its last call. */
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

/* Resets all sums to zero, for example in a forked child; what surrounds a timing stays. No other thread may add meanwhile. */
static inline void ns_cost_meter_reset(ns_cost_meter *meter) {
    _Atomic uint64_t *const sums[] = {&meter->spans,          &meter->sampled,        &meter->timed[0], &meter->timed[1],
                                      &meter->nanoseconds[0], &meter->nanoseconds[1], &meter->worker};
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) atomic_store_explicit(sums[i], 0, memory_order_relaxed);
}

#endif
