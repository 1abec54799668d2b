/* A sampling threshold that holds a rate: a number of sampled spans, or of kept traces, per second under any load.
 *
 * The law. Over each interval between two steps (100 ms, or less in a surge) the controller counts
 *
 *      N   roots offered per second: all calls of ns_rate_controller_ask
 *      M   entries per second: spans with a sampled remote parent. The controller cannot refuse them
 *      K   kept roots per second; S sampled spans per second (roots, entries and all spans below them)
 *
 *      s = S / (K + M)                          spans per sampled trace in this process; 1 in mode TRACES
 *      p = (target - M * s) / (N * s)           limited to p_min .. 1
 *      T = (1 - p) * 2^56                       rounded to four significant digits, as for ConsistentProbability
 *
 * A root with randomness R is kept if R >= T. The decision uses the T in force at that moment, so the adjusted count is
 * correct even if T changes right after. R has no influence on the choice of T.
 *
 * Why it does not oscillate. N and M do not depend on p, so p follows the load without a feedback loop. A controller that
 * compares kept traces with the target corrects an error; this one never makes it. s is a property of the traces, not of p,
 * with one exception: spans start later than their root. After p has risen, spans of the fewer earlier roots are divided by
 * the new roots, s looks too small, and p rises further. This is x'(t) = -x(t - lag) / memory. It settles without
 * oscillation while memory > e * lag and oscillates for ever if lag > pi/2 memory. Therefore the lag is measured (ns_lag.h),
 * and s averages over at least four times the lag.
 *
 * How fast. N and M decay with tau (2 s). That is too slow for a change beyond doubt:
 *
 *      surge   more than twice the rate, by more than six standard deviations: the past is discarded, this interval alone
 *              gives the rate. Checked on every call, not only when a step is due, as soon as the number of calls would
 *              also overspend two intervals' worth of the target
 *      lull    less than half the rate, by six deviations, for tau: the rate becomes that of the lull. Slower on purpose: a
 *              pause between two bursts is not the end of the load, and too few spans for two seconds do no harm
 *      swell   sampled spans exceed 1.5 times the target, both recently and over the memory of s, and a larger s of the
 *              earlier traces explains them: s is raised to fit. s falls only by decay
 *
 * Special cases.
 *      Nothing measured yet      p = 1: a new process has few roots, and its first traces matter most. The surge
 *                                rule limits the cost to two intervals' worth of the target, or seven roots
 *      Silence of any length     one step, which forgets everything except s
 *      A clock that stands still an interval counts as at least 1 ms, so each further surge divides p again: the kept roots
 *                                grow with the logarithm of the calls
 *      Nothing kept              s stays unchanged, with the weight of one trace
 *      M * s above the target    p_min, so that the process still sees some of its own roots
 *      A new target              applies from the next step on
 *      A fork                    the child calls ns_rate_controller_init
 *
 *   operation                     order     why
 *   ----------------------------  --------  ------------------------------------------------------------------------
 *   ask: add to asked, kept       relaxed   sums; nothing is published through them
 *   ask: load due, surge_at       relaxed   hints; checked again by the thread that set `stepping`
 *   ask: load threshold           relaxed   one self-contained word
 *   notes: add to entries, spans  relaxed   sums
 *   swap of stepping to 1         acquire   sees the plain fields as the last step wrote them
 *   store of 0 to stepping        release   publishes the plain fields to the next step
 *   stores of threshold, due,     relaxed   each word is independent: an ask that sees the new due and the old threshold
 *   surge_at, stepped, results              decides by the old one, which was in force an instant before
 *   retarget: store of target     relaxed   one word; the next step loads it
 *   read: loads                   relaxed   statistics, which may mix two steps; kept is loaded before asked, so on
 *                                           machines that keep the order of loads kept never exceeds asked
 *
 * A thread that finds a step due and loses the swap continues with the threshold in force: no thread waits for a step.
 */
#ifndef NS_RATE_CONTROLLER_H
#define NS_RATE_CONTROLLER_H

#include <stdatomic.h>

#include "sampling/ns_average.h"
#include "sampling/ns_lag.h"
#include "sampling/ns_threshold.h"

typedef enum ns_rate_controller_mode {
    NS_RATE_CONTROLLER_SPANS,  /* target: sampled spans a second, including those of entries */
    NS_RATE_CONTROLLER_TRACES, /* target: kept roots a second; entries and spans are counted but have no influence */
} ns_rate_controller_mode;

#define NS_RATE_CONTROLLER_TICK      UINT64_C(100000000) /* minimum nanoseconds between two steps, except in a surge */
#define NS_RATE_CONTROLLER_TAU       2.0                 /* seconds */
#define NS_RATE_CONTROLLER_P_MIN     1e-6
#define NS_RATE_CONTROLLER_PRECISION 4 /* significant hex digits of thresholds */

/* A rate that follows its load.
 *
 *       0          16         32
 *       | rate     | lull     | before   |   lull: events since the rate halved, without decay
 *                                            before: the rate at that time, 0: no lull
 */
typedef struct ns_rate_controller_flow {
    ns_rate rate, lull;
    double before;
} ns_rate_controller_flow;

/*       0           8          16          24         32         40         48         56          60
 *       | threshold | due      | surge_at  | asked    | kept     | entries  | spans    | stepping  | mode  |
 *         read by every ask                  written by ask and notes
 *       64
 *       | target, stepped | private to the step: earlier counts, rates, means | results | lags |
 *
 * ns_rate_controller_ask touches only the first 64 bytes for a root that is not kept. They are one cache line if the struct
 * is aligned to 64. Alignment is not required, because the struct may lie in an object of an allocator that aligns to 16.
 */
typedef struct ns_rate_controller {
    _Atomic uint64_t threshold;
    _Atomic uint64_t due;      /* monotonic ns of the next step */
    _Atomic uint64_t surge_at; /* a step is also due when `asked` reaches this */
    _Atomic uint64_t asked, kept, entries, spans;
    _Atomic uint32_t stepping; /* 1: a thread is stepping */
    ns_rate_controller_mode mode;

    _Atomic double target;
    _Atomic uint64_t stepped; /* monotonic ns of the last step */

    /* written only by the thread that set `stepping` */
    double tau, p_min; /* constant after init */
    bool started, swelling;
    uint64_t asked_then, kept_then, entries_then, spans_then, late_then, late_spans_then;
    ns_rate_controller_flow offered, entered;
    ns_mean shape; /* spans per trace */
    ns_mean lag;   /* seconds between the start of a root and of its span */
    ns_rate recent_spans, long_spans, recent_traces;
    double swelling_traces; /* per second, when the swell began */

    /* results, for readers */
    _Atomic double probability, offered_rate, entry_rate, span_rate, spans_per_trace, span_lag;
    _Atomic uint64_t steps, surges, lulls, swells;

    ns_lag lags;
} ns_rate_controller;

/* `target`: per second, in the unit of the mode; 0 or less means p_min always. `tau`: seconds, 0 for NS_RATE_CONTROLLER_TAU.
 * `p_min`: at least 2^-56, 0 for NS_RATE_CONTROLLER_P_MIN. Also called in a forked child. No other thread may use the
 * controller meanwhile. */
void ns_rate_controller_init(ns_rate_controller *controller, double target, ns_rate_controller_mode mode, double tau,
                             double p_min);

/* Takes a step. Called by ns_rate_controller_ask when one seems due. */
void ns_rate_controller_step(ns_rate_controller *controller, uint64_t now_ns);

/* Returns the threshold in force for one root: the caller keeps the root if `randomness` (below 2^56) >= threshold. Counts
 * the root as asked and, if kept, as kept, which includes its span. `now_ns` is CLOCK_MONOTONIC. */
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

/* Counts an entry: a span that is sampled because its remote parent is. The count includes the span. */
static inline void ns_rate_controller_note_entry(ns_rate_controller *controller) {
    atomic_fetch_add_explicit(&controller->entries, 1, memory_order_relaxed);
}

/* Counts `count` sampled spans with a local parent, without a lag. Used by tail sampling, where all spans of a trace are
 * present at the decision. */
static inline void ns_rate_controller_note_spans(ns_rate_controller *controller, uint64_t count) {
    atomic_fetch_add_explicit(&controller->spans, count, memory_order_relaxed);
}

/* Counts a sampled span with a local parent and measures its lag. `randomness` is the one passed for its root, if the root
 * was decided here. The low 56 bits of the trace id are good enough: the few traces with an `rv` are not needed. */
static inline void ns_rate_controller_note_span_of(ns_rate_controller *controller, uint64_t randomness) {
    ns_rate_controller_note_spans(controller, 1);
    ns_lag_span(&controller->lags, randomness, atomic_load_explicit(&controller->stepped, memory_order_relaxed));
}

/* Sets the target, effective from the next step on. Any thread. */
static inline void ns_rate_controller_retarget(ns_rate_controller *controller, double target) {
    atomic_store_explicit(&controller->target, target, memory_order_relaxed);
}

static inline uint64_t ns_rate_controller_threshold(const ns_rate_controller *controller) {
    return atomic_load_explicit(&controller->threshold, memory_order_relaxed);
}

/* Sums since init. Rates are per second; rates and means are those of the last step. */
typedef struct ns_rate_controller_state {
    uint64_t asked, kept, entries;
    uint64_t spans; /* sampled spans with a local parent, not counting kept roots and entries */
    uint64_t steps, surges, lulls, swells;
    uint64_t threshold;
    double probability; /* exactly the probability of the threshold */
    double target, offered_rate, entry_rate, span_rate, spans_per_trace;
    double span_lag; /* seconds */
} ns_rate_controller_state;

void ns_rate_controller_read(const ns_rate_controller *controller, ns_rate_controller_state *state);

#endif
