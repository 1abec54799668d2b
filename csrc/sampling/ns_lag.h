/* The lag of spans: the time between the start of a root and the start of the other spans of its trace, measured on a few
 * traces at a time.
 *
 * A controller that divides spans by traces must average over more than this lag; otherwise it divides the spans of some
 * traces by the number of other traces (ns_rate_controller.h). A kept root may take a slot ("seat"), and spans of seated
 * traces report their lag. A seat becomes free when its trace has been silent for long, not when another trace wants it:
 * with eviction on demand every trace would be seen only briefly, and all would look short.
 *
 *      seat of trace id i: i mod NS_LAG_SEATS
 *
 *       0          8          16
 *       | trace    | root     | last     |   56 bits of the id, 0: free; monotonic ns of the root and of the last span
 *
 *   operation               order     why
 *   ----------------------  --------  ------------------------------------------------------------------------------
 *   root stores 0 in trace  relaxed   from here on, spans of the previous trace find no seat
 *   root stores root, last  relaxed   published by the next store
 *   root stores trace       release   pairs with the acquire below
 *   span loads trace        acquire   a span that finds its trace sees the time of its root, or of the root of a later
 *                                     trace. The latter is in the future (the sample is dropped) or wrong by the life of
 *                                     one seat (one sample among hundreds)
 *   span stores last        relaxed   a hint for the next root
 *   sums                    relaxed   each is independent
 *
 * Two roots that take one free seat at the same time may combine the id of one with the time of the other. The times are
 * equal within the race.
 */
#ifndef NS_LAG_H
#define NS_LAG_H

#include <stdatomic.h>

#include "sampling/ns_threshold.h"

#define NS_LAG_SEATS 64

/* A seat is free after this silence in nanoseconds, or after twice the life of its trace if that is longer. Half a minute
 * for odd seats, five minutes for even seats, to cover traces with minutes between spans. */
static inline uint64_t ns_lag_quiet(uint64_t seat) { return seat % 2 ? UINT64_C(30000000000) : UINT64_C(300000000000); }

typedef struct ns_lag_seat {
    _Atomic uint64_t trace, root, last;
} ns_lag_seat;

typedef struct ns_lag {
    _Atomic uint64_t spans;        /* measured spans */
    _Atomic uint64_t microseconds; /* sum of their lags */
    ns_lag_seat seats[NS_LAG_SEATS];
} ns_lag;

static inline void ns_lag_root(ns_lag *lag, uint64_t trace, uint64_t now) {
    ns_lag_seat *seat = &lag->seats[trace % NS_LAG_SEATS];
    if (atomic_load_explicit(&seat->trace, memory_order_relaxed) != 0) {
        uint64_t root = atomic_load_explicit(&seat->root, memory_order_relaxed);
        uint64_t last = atomic_load_explicit(&seat->last, memory_order_relaxed);
        uint64_t lived = last > root ? last - root : 0, quiet = ns_lag_quiet(trace % NS_LAG_SEATS);
        if (now < last + (2 * lived > quiet ? 2 * lived : quiet)) return;
    }
    atomic_store_explicit(&seat->trace, 0, memory_order_relaxed);
    atomic_store_explicit(&seat->root, now, memory_order_relaxed);
    atomic_store_explicit(&seat->last, now, memory_order_relaxed);
    atomic_store_explicit(&seat->trace, trace, memory_order_release);
}

static inline void ns_lag_span(ns_lag *lag, uint64_t trace, uint64_t now) {
    ns_lag_seat *seat = &lag->seats[trace % NS_LAG_SEATS];
    if (NS_LIKELY(atomic_load_explicit(&seat->trace, memory_order_acquire) != trace) || trace == 0) return;
    uint64_t root = atomic_load_explicit(&seat->root, memory_order_relaxed);
    if (now < root) return;
    atomic_store_explicit(&seat->last, now, memory_order_relaxed);
    atomic_fetch_add_explicit(&lag->microseconds, (now - root) / 1000, memory_order_relaxed);
    atomic_fetch_add_explicit(&lag->spans, 1, memory_order_relaxed);
}

#endif
