/* The law of OverheadBudget: the rate of sampled spans that a given share of the process's CPU pays for.
 *
 *      allowed = (fraction * max(C, 0.05) - U) / (a + w)
 *
 *      C   cores used by the process, including tracing. At least a twentieth of a core, so that a quiet process can still
 *          show its work
 *      U   cores spent on unsampled spans: their rate times their mean cost. Subtracted first, because this cost does not
 *          depend on the threshold
 *      a   cost of a sampled span on the application's threads, from its timed calls
 *      w   its share of the worker: the worker's CPU time divided by the sampled spans
 *
 * allowed = 0 if U alone exceeds the budget. The result is the target of a rate controller in mode NS_RATE_CONTROLLER_SPANS,
 * which knows the number of spans per trace and the entries that arrive sampled.
 *
 * Rates decay with tau. Means of costs decay with 15 tau: the worker uses its CPU for a span one schedule delay (5 s by
 * default) after the span was counted, and a memory shorter than e times that delay would let w oscillate, because the CPU
 * of many earlier spans would be divided by few present ones. Before the first timing, the costs are guesses with the weight
 * of 32 timed spans.
 *
 * C, a and w depend on the number of sampled spans, so this is a closed loop, unlike the law of the rate controller. The
 * loop is weak and monotonic: C changes by at most `fraction` of a change of the budget. A fixed cost of the worker (f
 * cores) makes allowed' = B * allowed / (a * allowed + f), which approaches (B - f) / a from one side, by a factor of f / B
 * per step.
 *
 *   operation               order     why
 *   ----------------------  --------  ------------------------------------------------------------------------------
 *   due: load of due        relaxed   a hint; the swap of stepping decides
 *   swap of stepping        acquire   sees the plain fields as the last step wrote them
 *   store of stepping       release   publishes the plain fields to the next step
 *   stores and loads of     relaxed   each word is independent; statistics may mix two steps
 *   due and the results
 */
#ifndef NS_CPU_BUDGET_H
#define NS_CPU_BUDGET_H

#include "sampling/ns_average.h"
#include "sampling/ns_cost_meter.h"

#define NS_CPU_BUDGET_TICK              UINT64_C(500000000) /* minimum nanoseconds between steps */
#define NS_CPU_BUDGET_TAU               2.0                 /* seconds */
#define NS_CPU_BUDGET_COST_MEMORY       15.0                /* times tau */
#define NS_CPU_BUDGET_MIN_CORES         0.05
#define NS_CPU_BUDGET_GUESSED_SPANS     32.0
#define NS_CPU_BUDGET_GUESSED_SAMPLED   2000.0 /* nanoseconds on the application's threads */
#define NS_CPU_BUDGET_GUESSED_UNSAMPLED 400.0
#define NS_CPU_BUDGET_GUESSED_WORKER    2000.0 /* nanoseconds of the worker for a sampled span */

typedef struct ns_cpu_budget {
    _Atomic uint64_t due;
    _Atomic uint32_t stepping;
    bool started;

    /* written only by the thread that set `stepping` */
    double fraction, tau;
    uint64_t stepped;              /* monotonic nanoseconds of the last step */
    uint64_t process_cpu;          /* at the last step */
    ns_cost_meter_reading reading; /* at the last step */
    ns_rate process, unsampled;
    ns_mean sampled_cost, unsampled_cost, worker_cost; /* nanoseconds */

    /* results, for readers */
    _Atomic double allowed;         /* sampled spans a second */
    _Atomic double process_cores;   /* C */
    _Atomic double unsampled_cores; /* U */
    _Atomic double span_seconds;    /* a + w */
} ns_cpu_budget;

/* The law itself. */
static inline double ns_cpu_budget_allowed(double fraction, double process_cores, double unsampled_cores,
                                           double span_seconds) {
    double cores = process_cores > NS_CPU_BUDGET_MIN_CORES ? process_cores : NS_CPU_BUDGET_MIN_CORES;
    double left = fraction * cores - unsampled_cores;
    return left > 0 ? left / span_seconds : 0;
}

/* tau in seconds, 0 for NS_CPU_BUDGET_TAU. Also called in a forked child. No other thread may use the budget meanwhile. */
void ns_cpu_budget_init(ns_cpu_budget *budget, double fraction, double tau);

/* Whether a step is due. Checked before the CPU time of the process is read, which costs a system call. */
static inline bool ns_cpu_budget_due(const ns_cpu_budget *budget, uint64_t now_ns) {
    return now_ns >= atomic_load_explicit(&budget->due, memory_order_relaxed);
}

/* Evaluates the measurements since the last step and returns the allowed sampled spans per second, the target for
 * ns_rate_controller_retarget. Any thread may call it; of two concurrent callers one steps and the other gets the last
 * result. `process_cpu_ns` is CLOCK_PROCESS_CPUTIME_ID, `now_ns` is CLOCK_MONOTONIC. */
double ns_cpu_budget_step(ns_cpu_budget *budget, const ns_cost_meter *meter, uint64_t process_cpu_ns, uint64_t now_ns);

typedef struct ns_cpu_budget_state {
    double allowed, process_cores, unsampled_cores, span_seconds;
} ns_cpu_budget_state;

void ns_cpu_budget_read(const ns_cpu_budget *budget, ns_cpu_budget_state *state);

#endif
