/* A sampling threshold that holds a rate: so many sampled spans, or kept traces, a second, whatever the load.
 *
 * The law. Over each interval between two steps (100 ms, or less in a surge) are counted
 *
 *      N   roots offered a second: all that asked
 *      M   entries a second: spans that come in sampled, from a remote parent. Not ours to refuse
 *      K   kept roots a second, S sampled spans a second (roots and entries and all that is below them)
 *
 *      s = S / (K + M)                          spans of a sampled trace in this process; 1 when traces are counted
 *      p = (target - M * s) / (N * s)           not below p_min, not above 1
 *      T = (1 - p) * 2^56                       rounded to four significant digits, as ConsistentProbability's is
 *
 * A root of randomness R is kept if R >= T. T is what it was when the root asked, so its adjusted count is true, whatever
 * T is a moment later; and R plays no part in choosing T.
 *
 * Why it does not oscillate. N and M do not depend on p, so p follows the load with no loop to swing in: where a
 * controller that compares what was kept with the target corrects an error, this one never makes it. s is a property of
 * the traces and not of p, with one exception: spans start later than their root. After p has risen, new roots are divided
 * into the spans of the fewer roots before, s looks too small, and p rises further. That is x'(t) = -x(t - lag) / memory,
 * which settles without swinging while memory > e * lag, and swings for ever from lag > pi/2 memory on. So the lag is
 * measured (ns_lag.h), and s is remembered for at least four times as long.
 *
 * How fast. N and M fade with tau (2 s). They fade too slowly for a change that is beyond doubt:
 *
 *      surge   more than twice the rate, by more than six standard deviations: what was before is forgotten, this interval
 *              alone is the rate. Looked for while roots ask and not only when a step is due, as soon as so many came as
 *              would also overspend two intervals' worth of the target
 *      lull    less than half the rate, by six deviations, for tau: the rate of the lull. Slower on purpose: a pause between
 *              two bursts is not the end of the load, and too few spans for two seconds harm nobody
 *      swell   sampled spans run 1.5 times over the target, for lately and for as long as s is remembered, and the traces
 *              of before that account for them if s is larger: s is raised to fit. Lowering s is left to its memory
 *
 * Cases. Nothing measured yet: p = 1, since a process that has just started has few roots and its first traces are the
 * ones that are looked for; a surge bounds what that can cost at once to two intervals' worth of the target, or seven roots.
 * Silence of any length: one step, which forgets all but s. A clock that stands still: an interval counts as 1 ms at least,
 * so each further surge divides p again, and what is kept grows with the logarithm of what asks. Nothing kept: s stays as it
 * was, weighing a trace. M * s above the target: p_min, so that the process is never blind to its own roots. Another
 * target: from the next step on. A fork: ns_rate_controller_init.
 *
 *   operation                     order     why
 *   ----------------------------  --------  ------------------------------------------------------------------------
 *   ask: add to asked, kept       relaxed   sums; nothing is published through them
 *   ask: load due, surge_at       relaxed   hints; looked at again by whoever holds `stepping`
 *   ask: load threshold           relaxed   one word that says it all
 *   notes: add to entries, spans  relaxed   sums
 *   swap of stepping to 1         acquire   sees the plain fields as the last step left them
 *   store of 0 to stepping        release   publishes the plain fields to the next step
 *   stores of threshold, due,     relaxed   each word stands for itself: an ask that sees the new due and the old
 *   surge_at, stepped, results              threshold keeps by the old one, which was in force an instant before
 *   retarget: store of target     relaxed   one word; the next step loads it
 *   read: loads                   relaxed   statistics, which may mix two steps; kept before asked, so that on machines
 *                                           that keep the order of loads kept is never above asked
 *
 * Whoever finds a step due and loses the swap goes on with the threshold in force: nobody waits for a step.
 */
#ifndef NS_RATE_CONTROLLER_H
#define NS_RATE_CONTROLLER_H

#include <stdatomic.h>

#include "sampling/ns_average.h"
#include "sampling/ns_lag.h"
#include "sampling/ns_threshold.h"

typedef enum ns_rate_controller_mode {
    NS_RATE_CONTROLLER_SPANS,              /* target: sampled spans a second, those of entries included */
    NS_RATE_CONTROLLER_TRACES,             /* target: kept roots a second; entries and spans are counted and play no part */
    NS_RATE_CONTROLLER_TRACES_AND_ENTRIES, /* target: kept roots and entries a second */
} ns_rate_controller_mode;

#define NS_RATE_CONTROLLER_TICK      UINT64_C(100000000) /* nanoseconds between two steps, at least, but for surges */
#define NS_RATE_CONTROLLER_TAU       2.0                 /* seconds */
#define NS_RATE_CONTROLLER_P_MIN     1e-6
#define NS_RATE_CONTROLLER_PRECISION 4                   /* significant hex digits of thresholds */

/* A rate that follows its load.
 *
 *       0          16         32
 *       | rate     | lull     | before   |   lull: what came since the rate halved, not fading
 *                                            before: the rate then, 0: no lull
 */
typedef struct ns_rate_controller_flow {
    ns_rate rate, lull;
    double before;
} ns_rate_controller_flow;

/*       0           8          16          24         32         40         48         56          60
 *       | threshold | due      | surge_at  | asked    | kept     | entries  | spans    | stepping  | mode  |
 *         read by every ask                  written by asks and notes
 *       64
 *       | target, stepped | the step's own: counts as they were, rates, means | results | lags |
 *
 * The first 64 bytes are all that an ask touches for a root that is not kept. They are one line where the struct is
 * aligned; it need not be, as it may lie in an object of an allocator that aligns to 16. */
typedef struct ns_rate_controller {
    _Atomic uint64_t threshold;
    _Atomic uint64_t due;      /* monotonic ns of the next step */
    _Atomic uint64_t surge_at; /* or when `asked` reaches this */
    _Atomic uint64_t asked, kept, entries, spans;
    _Atomic uint32_t stepping; /* 1: someone is */
    ns_rate_controller_mode mode;

    _Atomic double target;
    _Atomic uint64_t stepped; /* monotonic ns of the last step */

    /* written by whoever holds `stepping` */
    double tau, p_min; /* never after init */
    bool started, swelling;
    uint64_t asked_then, kept_then, entries_then, spans_then, late_then, late_spans_then;
    ns_rate_controller_flow offered, entered;
    ns_mean shape;         /* spans a trace */
    ns_mean lag;           /* seconds a span starts after its root */
    ns_rate recent_spans, long_spans, recent_traces;
    double swelling_traces; /* a second, when the swell began */

    /* results, for readers */
    _Atomic double probability, offered_rate, entry_rate, span_rate, spans_per_trace, span_lag;
    _Atomic uint64_t steps, surges, lulls, swells;

    ns_lag lags;
} ns_rate_controller;

/* target: a second, of what the mode counts; 0 or less: p_min always. tau: seconds, 0 for NS_RATE_CONTROLLER_TAU. p_min: at
 * least 2^-56, 0 for NS_RATE_CONTROLLER_P_MIN. Also for a forked child. Nobody else may be using it. */
void ns_rate_controller_init(ns_rate_controller *controller, double target, ns_rate_controller_mode mode, double tau, double p_min);

/* Called by ns_rate_controller_ask when a step seems due. */
void ns_rate_controller_step(ns_rate_controller *controller, uint64_t now_ns);

/* The threshold in force for one root: it is to be kept if `randomness` (below 2^56) >= threshold. Counts it as asked and,
 * if so, as kept, which counts its span too. `now_ns`: CLOCK_MONOTONIC. */
static inline uint64_t ns_rate_controller_ask(ns_rate_controller *controller, uint64_t randomness, uint64_t now_ns) {
    uint64_t asked = atomic_fetch_add_explicit(&controller->asked, 1, memory_order_relaxed) + 1;
    if (NS_UNLIKELY(now_ns >= atomic_load_explicit(&controller->due, memory_order_relaxed) ||
                    asked >= atomic_load_explicit(&controller->surge_at, memory_order_relaxed)))
        ns_rate_controller_step(controller, now_ns);
    uint64_t threshold = atomic_load_explicit(&controller->threshold, memory_order_relaxed);
    if (ns_threshold_keeps(randomness, threshold)) {
        atomic_fetch_add_explicit(&controller->kept, 1, memory_order_relaxed);
        ns_lag_root(&controller->lags, randomness, now_ns);
    }
    return threshold;
}

/* A span with a remote parent that is sampled because its parent is. The note counts the span too. */
static inline void ns_rate_controller_note_entry(ns_rate_controller *controller) {
    atomic_fetch_add_explicit(&controller->entries, 1, memory_order_relaxed);
}

/* `count` sampled spans with a local parent, of a trace that is not named: a tail's, which are all there when it asks. */
static inline void ns_rate_controller_note_spans(ns_rate_controller *controller, uint64_t count) {
    atomic_fetch_add_explicit(&controller->spans, count, memory_order_relaxed);
}

/* A sampled span with a local parent. `randomness`: what its root asked with, if it asked here; the low 56 bits of the
 * trace id will do, the few traces with an `rv` are not missed. */
static inline void ns_rate_controller_note_span_of(ns_rate_controller *controller, uint64_t randomness) {
    ns_rate_controller_note_spans(controller, 1);
    ns_lag_span(&controller->lags, randomness, atomic_load_explicit(&controller->stepped, memory_order_relaxed));
}

static inline void ns_rate_controller_note_span(ns_rate_controller *controller) { ns_rate_controller_note_spans(controller, 1); }

/* In force from the next step on. Any thread. */
static inline void ns_rate_controller_retarget(ns_rate_controller *controller, double target) {
    atomic_store_explicit(&controller->target, target, memory_order_relaxed);
}

static inline uint64_t ns_rate_controller_threshold(const ns_rate_controller *controller) {
    return atomic_load_explicit(&controller->threshold, memory_order_relaxed);
}

/* Sums since init; rates a second and means as the last step left them. */
typedef struct ns_rate_controller_state {
    uint64_t asked, kept, entries;
    uint64_t spans; /* sampled ones with a local parent: beside those of kept roots and entries */
    uint64_t steps, surges, lulls, swells;
    uint64_t threshold;
    double probability; /* exactly that of the threshold */
    double target, offered_rate, entry_rate, span_rate, spans_per_trace;
    double span_lag; /* seconds */
} ns_rate_controller_state;

void ns_rate_controller_read(const ns_rate_controller *controller, ns_rate_controller_state *state);

#endif
