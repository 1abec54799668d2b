/* The law of OverheadBudget: how many sampled spans a second a share of the process's CPU pays for.
 *
 *      allowed = (fraction * max(C, 0.05) - U) / (a + w)
 *
 *      C   cores that the process uses, tracing included. At least a twentieth of a core: a quiet process must be
 *          allowed to show what it does
 *      U   cores spent on spans that were not sampled: unsampled spans a second times what one costs. It is spent
 *          whatever the threshold is, so it comes off first
 *      a   what a sampled span costs the application's threads, from its timed calls
 *      w   its share of the worker: the worker's CPU over the spans sampled
 *
 * and 0 when U alone is above the budget. The result is the target of a controller in NS_RATE_CONTROLLER_SPANS, which knows
 * how many spans a trace has and what enters sampled from outside.
 *
 * Rates fade with tau; means of costs with 15 tau, because the worker's CPU for a span is used a schedule delay (5 s by
 * default) after the span was counted, and a memory shorter than e times that delay would let w swing: too few sampled
 * now over the CPU of more sampled then. Before anything was timed the costs are guesses that weigh as much as 32 timed
 * spans.
 *
 * C, a and w do depend on how many spans are sampled, so this is not open loop as the controller's own law is. The loop
 * is weak and monotonic: C changes by at most `fraction` of a change of the budget, and a cost of the worker that is fixed
 * (f cores) makes allowed' = B * allowed / (a * allowed + f), which approaches (B - f) / a from one side, by a factor of
 * f / B each time.
 *
 *   operation               order     why
 *   ----------------------  --------  ------------------------------------------------------------------------------
 *   due: load of due        relaxed   a hint; the swap decides
 *   swap of stepping        acquire   sees what the last step wrote to the plain fields
 *   store of stepping       release   publishes the plain fields to the next step
 *   stores and loads of     relaxed   each word stands for itself; statistics may mix two steps
 *   due and the results
 */
#ifndef NS_CPU_BUDGET_H
#define NS_CPU_BUDGET_H

#include "sampling/ns_average.h"
#include "sampling/ns_cost_meter.h"

#define NS_CPU_BUDGET_TICK        UINT64_C(500000000) /* nanoseconds between steps, at least */
#define NS_CPU_BUDGET_TAU         2.0                 /* seconds */
#define NS_CPU_BUDGET_COST_MEMORY 15.0                /* times tau */
#define NS_CPU_BUDGET_MIN_CORES 0.05
#define NS_CPU_BUDGET_GUESSED_SPANS     32.0
#define NS_CPU_BUDGET_GUESSED_SAMPLED   2000.0 /* nanoseconds on the application's threads */
#define NS_CPU_BUDGET_GUESSED_UNSAMPLED 400.0
#define NS_CPU_BUDGET_GUESSED_WORKER    2000.0 /* nanoseconds of the worker for a sampled span */

typedef struct ns_cpu_budget {
    _Atomic uint64_t due;
    _Atomic uint32_t stepping;
    bool started;

    /* written by whoever holds `stepping` */
    double fraction, tau;
    uint64_t stepped;         /* when, monotonic nanoseconds */
    uint64_t process_cpu;     /* as it was then */
    ns_cost_meter_reading reading; /* as it was then */
    ns_rate process, unsampled;
    ns_mean sampled_cost, unsampled_cost, worker_cost; /* nanoseconds */

    /* results, for readers */
    _Atomic double allowed;         /* sampled spans a second */
    _Atomic double process_cores;   /* C */
    _Atomic double unsampled_cores; /* U */
    _Atomic double span_seconds;    /* a + w */
} ns_cpu_budget;

/* The law itself. */
static inline double ns_cpu_budget_allowed(double fraction, double process_cores, double unsampled_cores, double span_seconds) {
    double cores = process_cores > NS_CPU_BUDGET_MIN_CORES ? process_cores : NS_CPU_BUDGET_MIN_CORES;
    double left = fraction * cores - unsampled_cores;
    return left > 0 ? left / span_seconds : 0;
}

/* tau: seconds, 0 for NS_CPU_BUDGET_TAU. Also for a forked child. Nobody else may be using it. */
void ns_cpu_budget_init(ns_cpu_budget *budget, double fraction, double tau);

/* Whether a step is due: asked before the process's CPU is read, which takes a system call. */
static inline bool ns_cpu_budget_due(const ns_cpu_budget *budget, uint64_t now_ns) {
    return now_ns >= atomic_load_explicit(&budget->due, memory_order_relaxed);
}

/* Takes the measurements of the time since the last step and returns the spans a second that are allowed, the target for
 * ns_rate_controller_retarget. Any thread: where two meet, one steps and the other gets the last result. `process_cpu_ns`:
 * CLOCK_PROCESS_CPUTIME_ID, `now_ns`: CLOCK_MONOTONIC. */
double ns_cpu_budget_step(ns_cpu_budget *budget, const ns_cost_meter *meter, uint64_t process_cpu_ns, uint64_t now_ns);

typedef struct ns_cpu_budget_state {
    double allowed, process_cores, unsampled_cores, span_seconds;
} ns_cpu_budget_state;

void ns_cpu_budget_read(const ns_cpu_budget *budget, ns_cpu_budget_state *state);

#endif
