#include "sampling/ns_rate_controller.h"

#define MIN_LENGTH   1e-3 /* minimum length of an interval, in seconds */
#define SHAPE_MEMORY 10.0 /* decay of s, in multiples of tau ... */
#define LAG_MEMORY   4.0  /* ... or in multiples of the lag, if longer */
#define OVERSPENT    1.5  /* in multiples of the target */
#define TICK_SECONDS ((double)NS_RATE_CONTROLLER_TICK * 1e-9)

static double larger(double a, double b) { return a > b ? a : b; }

static void count(_Atomic uint64_t *counter) { atomic_fetch_add_explicit(counter, 1, memory_order_relaxed); }

static uint64_t counted(const _Atomic uint64_t *counter) { return atomic_load_explicit(counter, memory_order_relaxed); }

static void set(_Atomic double *result, double value) { atomic_store_explicit(result, value, memory_order_relaxed); }

static double get(const _Atomic double *result) { return atomic_load_explicit(result, memory_order_relaxed); }

/* Returns the increase of a sum since `*then`, and sets `*then` to the present value. */
static double since(uint64_t *then, uint64_t now) {
    double events = (double)(now - *then);
    *then = now;
    return events;
}

void ns_rate_controller_init(ns_rate_controller *c, double target, ns_rate_controller_mode mode, double tau, double p_min) {
    *c = (ns_rate_controller){
        .surge_at = UINT64_MAX, /* a step is due at once (due = 0): the first root starts the clock */
        .mode = mode,
        .target = target,
        .tau = tau > 0 ? tau : NS_RATE_CONTROLLER_TAU,
        .p_min = p_min > 0 ? p_min : NS_RATE_CONTROLLER_P_MIN,
        .shape = ns_mean_start(1, 1),
        .lag = ns_mean_start(0, 1),
        .probability = 1,
        .spans_per_trace = 1,
    };
}

/* More than six standard deviations of a Poisson count: by chance once in years of steps. The added 1 allows for the error
 * of the expectation itself. */
static bool beyond_chance(double difference, double expected) {
    return difference > 0 && difference * difference > 36 * (expected + 1);
}

static void flow_add(ns_rate_controller *c, ns_rate_controller_flow *flow, double events, double seconds) {
    double rate = ns_rate_of(&flow->rate), expected = rate * seconds;
    if (events > 2 * expected && beyond_chance(events - expected, expected)) {
        *flow = (ns_rate_controller_flow){0};
        count(&c->surges);
    }
    ns_rate_add(&flow->rate, events, seconds, c->tau);

    if (flow->before == 0) {
        /* Skip the interval in which the load fell: it is partly from before the fall. */
        if (events < expected / 2) flow->before = rate;
        return;
    }
    ns_rate *lull = &flow->lull;
    lull->events += events;
    lull->seconds += seconds;
    expected = flow->before * lull->seconds;
    bool over = lull->events >= expected / 2;
    bool lasting = lull->seconds >= c->tau && beyond_chance(expected - lull->events, expected);
    if (lasting && !over) {
        flow->rate = *lull;
        count(&c->lulls);
    }
    if (lasting || over) flow->lull = (ns_rate){0}, flow->before = 0;
}

/* Mean lag of spans after their root, in seconds. */
static double measure_lag(ns_rate_controller *c, double seconds) {
    double late = since(&c->late_then, counted(&c->lags.microseconds)) * 1e-6;
    double spans = since(&c->late_spans_then, counted(&c->lags.spans));
    ns_mean_add(&c->lag, late, spans, seconds, SHAPE_MEMORY * c->tau);
    return ns_mean_of(&c->lag);
}

static void measure_shape(ns_rate_controller *c, double traces, double spans, double seconds, double target) {
    double lag = measure_lag(c, seconds), memory = larger(SHAPE_MEMORY * c->tau, LAG_MEMORY * lag);
    ns_mean_add(&c->shape, spans, traces, seconds, memory);
    ns_rate_add(&c->long_spans, spans, seconds, memory);
    ns_rate_add(&c->recent_spans, spans, seconds, larger(c->tau, lag));
    /* The spans of this interval belong to traces that started up to one lag ago. */
    ns_rate_add(&c->recent_traces, traces, seconds, larger(2 * c->tau, 3 * lag));

    double running = ns_rate_of(&c->recent_spans), of = ns_rate_of(&c->recent_traces);
    if (running <= OVERSPENT * target || ns_rate_of(&c->long_spans) <= OVERSPENT * target) {
        c->swelling = false;
        return;
    }
    /* Fewer traces are kept from now on, while spans of earlier traces continue. Dividing them by the present traces would
     * make traces look ever larger. */
    if (!c->swelling) c->swelling_traces = 0;
    c->swelling = true;
    c->swelling_traces = larger(c->swelling_traces, of);
    if (running <= OVERSPENT * ns_mean_of(&c->shape) * c->swelling_traces || c->swelling_traces <= 0) return;
    /* Fewer traces, but not more spans: each present trace needs more weight against the past. */
    c->shape.items = c->shape.sum / (running / c->swelling_traces);
    count(&c->swells);
}

static void choose(ns_rate_controller *c, double target) {
    bool counts_spans = c->mode == NS_RATE_CONTROLLER_SPANS;
    double s = counts_spans ? larger(ns_mean_of(&c->shape), 1) : 1;
    double offered = ns_rate_of(&c->offered.rate), entering = ns_rate_of(&c->entered.rate);
    double room = counts_spans ? target - entering * s : target, wanted = offered * s;
    double p = room >= wanted ? 1 : larger(room / wanted, c->p_min);
    uint64_t threshold = 0;
    (void)ns_threshold_of_probability(p, NS_RATE_CONTROLLER_PRECISION, &threshold);
    atomic_store_explicit(&c->threshold, threshold, memory_order_relaxed);
    set(&c->probability, p);
    set(&c->offered_rate, offered);
    set(&c->entry_rate, entering);
    set(&c->span_rate, ns_rate_of(&c->recent_spans));
    set(&c->spans_per_trace, s);
    set(&c->span_lag, ns_mean_of(&c->lag));
    count(&c->steps);
}

static void measure(ns_rate_controller *c, uint64_t asked, double seconds) {
    double target = get(&c->target);
    flow_add(c, &c->offered, since(&c->asked_then, asked), seconds);
    double entries = since(&c->entries_then, counted(&c->entries));
    flow_add(c, &c->entered, entries, seconds);
    double traces = since(&c->kept_then, counted(&c->kept)) + entries;
    double spans = since(&c->spans_then, counted(&c->spans)) + traces;
    measure_shape(c, traces, spans, seconds, target);
    choose(c, target);
}

/* Number of calls that is a relevant surge: twice the expectation for a tick, beyond chance, and enough to overspend. */
static uint64_t surge_after(const ns_rate_controller *c) {
    double expected = ns_rate_of(&c->offered.rate) * TICK_SECONDS;
    double worth = 2 * get(&c->target) * TICK_SECONDS / (get(&c->probability) * get(&c->spans_per_trace));
    double more = larger(larger(expected, 6), worth);
    while (!beyond_chance(more, expected)) more *= 1.1;
    return more + expected < 0x1p62 ? (uint64_t)(more + expected) + 1 : UINT64_C(1) << 62;
}

static void step(ns_rate_controller *c, uint64_t now) {
    uint64_t asked = counted(&c->asked), last = counted(&c->stepped);
    if (now < last) now = last; /* `now` was read before the last step and used after it */
    if (c->started) {
        /* Nothing is due: this thread lost the last race for `stepping` and came late. */
        if (now < counted(&c->due) && asked < counted(&c->surge_at)) return;
        measure(c, asked, larger((double)(now - last) * 1e-9, MIN_LENGTH));
    }
    c->started = true;
    c->asked_then = asked;
    atomic_store_explicit(&c->stepped, now, memory_order_relaxed);
    atomic_store_explicit(&c->surge_at, asked + surge_after(c), memory_order_relaxed);
    atomic_store_explicit(&c->due, now + NS_RATE_CONTROLLER_TICK, memory_order_relaxed);
}

void ns_rate_controller_step(ns_rate_controller *c, uint64_t now) {
    uint32_t nobody = 0;
    if (!atomic_compare_exchange_strong_explicit(&c->stepping, &nobody, 1, memory_order_acquire, memory_order_relaxed))
        return;
    step(c, now);
    atomic_store_explicit(&c->stepping, 0, memory_order_release);
}

void ns_rate_controller_read(const ns_rate_controller *c, ns_rate_controller_state *state) {
    uint64_t kept = counted(&c->kept), asked = counted(&c->asked);
    uint64_t threshold = ns_rate_controller_threshold(c);
    *state = (ns_rate_controller_state){
        .asked = asked,
        .kept = kept,
        .entries = counted(&c->entries),
        .spans = counted(&c->spans),
        .steps = counted(&c->steps),
        .surges = counted(&c->surges),
        .lulls = counted(&c->lulls),
        .swells = counted(&c->swells),
        .threshold = threshold,
        .probability = (double)(NS_THRESHOLD_LIMIT - threshold) * 0x1p-56,
        .target = get(&c->target),
        .offered_rate = get(&c->offered_rate),
        .entry_rate = get(&c->entry_rate),
        .span_rate = get(&c->span_rate),
        .spans_per_trace = get(&c->spans_per_trace),
        .span_lag = get(&c->span_lag),
    };
}
