/* A virtual process for the rate controller: roots that arrive at random at a given rate, traces whose spans start some time
 * after their root, and entries that arrive sampled. Time is a variable and the random numbers are the same in every run, so
 * the results do not depend on the machine. Used by the tests and by docs/sampling/simulate.py. */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampling/ns_rate_controller.h"

#define TRAFFIC_SLICE 1e-3 /* seconds for which a rate is constant */

typedef struct traffic_under_way {
    uint64_t randomness;
    double began, seconds;
    uint32_t spans, started;
} traffic_under_way;

typedef struct traffic {
    ns_rate_controller *controller;
    uint64_t random;
    double start, now; /* seconds */

    double roots, entries; /* per second */
    double spans;          /* per trace, including its root */
    double large, share;   /* this share of the traces has `large` spans instead */
    double seconds;        /* a trace starts its spans evenly over this time */

    double to_root, to_entry;     /* rest until the next one, in mean intervals */
    traffic_under_way *under_way; /* sampled traces with spans still to start */
    size_t traces, room;
    uint64_t slices, next_spans; /* spans start in batches, every hundredth of a second or finer than can be seen */

    uint64_t asked, kept, entered, sampled; /* so far; `sampled` are spans, including those of roots and entries */
    double counted;                         /* adjusted counts of the kept roots */
} traffic;

static inline double traffic_uniform(traffic *t) { /* (0, 1] */
    t->random = t->random * 6364136223846793005u + 1442695040888963407u;
    uint64_t x = t->random;
    x ^= x >> 32, x *= UINT64_C(0xd6e8feb86659fd93), x ^= x >> 32;
    return ((double)(x >> 11) + 1) * 0x1p-53;
}

static inline uint64_t traffic_randomness(traffic *t) { return (uint64_t)((traffic_uniform(t) - 0x1p-53) * 0x1p56); }

static inline uint64_t traffic_clock(const traffic *t) { return (uint64_t)((t->start + t->now) * 1e9); }

static inline void traffic_begin(traffic *t, ns_rate_controller *controller, uint64_t seed) {
    memset(t, 0, sizeof *t);
    t->controller = controller;
    t->random = seed;
    t->start = 1000; /* an uptime */
    t->spans = 1;
    t->to_root = -log(traffic_uniform(t));
    t->to_entry = -log(traffic_uniform(t));
}

/* Schedules the remaining spans of a sampled trace. `randomness` 0: the trace did not start here. */
static inline void traffic_trace(traffic *t, uint64_t randomness) {
    bool large = t->share > 0 && traffic_uniform(t) < t->share;
    uint32_t spans = (uint32_t)(large ? t->large : t->spans);
    t->sampled++;
    if (spans == 1) return;
    if (t->traces == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->under_way = realloc(t->under_way, t->room * sizeof *t->under_way);
    }
    t->under_way[t->traces++] = (traffic_under_way){randomness, t->now, t->seconds, spans - 1, 0};
}

static inline void traffic_spans(traffic *t) {
    size_t left = 0;
    for (size_t i = 0; i < t->traces; i++) {
        traffic_under_way trace = t->under_way[i];
        double part = trace.seconds > 0 ? (t->now - trace.began) / trace.seconds : 1;
        uint32_t due = part < 1 ? (uint32_t)(part * trace.spans) : trace.spans;
        t->sampled += due - trace.started;
        if (trace.randomness == 0) ns_rate_controller_note_spans(t->controller, due - trace.started);
        else
            for (; trace.started < due; trace.started++) ns_rate_controller_note_span_of(t->controller, trace.randomness);
        trace.started = due;
        if (due < trace.spans) t->under_way[left++] = trace;
    }
    t->traces = left;
}

/* The cost of a root and whether it is kept, for strategies other than the rate controller. */
typedef bool traffic_ask(traffic *t, uint64_t randomness, void *argument);

static inline bool traffic_ask_controller(traffic *t, uint64_t randomness, void *argument) {
    (void)argument;
    uint64_t threshold = ns_rate_controller_ask(t->controller, randomness, traffic_clock(t));
    if (!ns_threshold_keeps(randomness, threshold)) return false;
    t->counted += 0x1p56 / (double)(NS_THRESHOLD_LIMIT - threshold);
    return true;
}

/* Advances time, slice by slice. */
static inline void traffic_pass(traffic *t, double seconds, traffic_ask *ask, void *argument) {
    double end = t->now + seconds - TRAFFIC_SLICE / 2;
    while (t->now < end) {
        double slice = t->now, roots = t->roots * TRAFFIC_SLICE, entries = t->entries * TRAFFIC_SLICE;
        double used = 0;
        while (t->to_root <= roots * (1 - used)) {
            used += t->to_root / roots;
            t->now = slice + used * TRAFFIC_SLICE;
            t->to_root = -log(traffic_uniform(t));
            t->asked++;
            uint64_t randomness = traffic_randomness(t);
            if (ask(t, randomness, argument)) {
                t->kept++;
                traffic_trace(t, randomness);
            }
        }
        t->to_root -= roots * (1 - used);
        for (t->to_entry -= entries; t->to_entry <= 0; t->to_entry -= log(traffic_uniform(t))) {
            t->entered++;
            ns_rate_controller_note_entry(t->controller);
            traffic_trace(t, 0);
        }
        t->now = slice + TRAFFIC_SLICE;
        if (++t->slices >= t->next_spans) {
            t->next_spans = t->slices + 10 + (uint64_t)(t->seconds / TRAFFIC_SLICE / 200);
            traffic_spans(t);
        }
    }
}

static inline void traffic_end(traffic *t) { free(t->under_way); }

static inline void traffic_run(traffic *t, double seconds) { traffic_pass(t, seconds, traffic_ask_controller, NULL); }

#endif
