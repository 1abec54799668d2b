/* How long after its root a span of a trace starts, measured on a few traces at a time.
 *
 * A controller that divides spans by traces has to remember for longer than this lag, else it divides the spans of some
 * traces by the number of others (ns_rate_controller.h). A kept root may take a seat; spans of seated traces report how late
 * they are. A seat is given up when its trace has been silent for long, not when somebody else wants it: traces would
 * otherwise be seen for the short time between two others, and all look short.
 *
 *      seat of trace id i: i mod NS_LAG_SEATS
 *
 *       0          8          16
 *       | trace    | root     | last     |   56 bits of its id, 0: free; monotonic ns of its root and of its last span
 *
 *   operation               order     why
 *   ----------------------  --------  ------------------------------------------------------------------------------
 *   root stores 0 in trace  relaxed   from here on, spans of the last occupant find nobody
 *   root stores root, last  relaxed   published by the next store
 *   root stores trace       release   pairs with the acquire below
 *   span loads trace        acquire   a span that finds its trace sees the time of its root, or of a later occupant's,
 *                                     which is then later than now or off by one seat's life; such a sample is dropped
 *                                     or lost among hundreds
 *   span stores last        relaxed   a hint for who comes next
 *   sums                    relaxed   each stands for itself
 *
 * Two roots that want one free seat at once may leave one's id with the other's time; they are of the same moment.
 */
#ifndef NS_LAG_H
#define NS_LAG_H

#include <stdatomic.h>

#include "sampling/ns_threshold.h"

#define NS_LAG_SEATS 64

/* Nanoseconds of silence after which a seat is free, if that is longer than twice what its trace has lived: half a minute,
 * and five for every other seat, for traces whose spans are minutes apart. */
static inline uint64_t ns_lag_quiet(uint64_t seat) { return seat % 2 ? UINT64_C(30000000000) : UINT64_C(300000000000); }

typedef struct ns_lag_seat {
    _Atomic uint64_t trace, root, last;
} ns_lag_seat;

typedef struct ns_lag {
    _Atomic uint64_t spans;        /* of seated traces */
    _Atomic uint64_t microseconds; /* that they were late, in sum */
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
