/* The two clocks of a span, in nanoseconds: wall time for timestamps, monotonic time for durations. */
#ifndef NS_CLOCK_H
#define NS_CLOCK_H

#include <time.h>

#include "base/ns_base.h"

#define NS_CLOCK_SECOND UINT64_C(1000000000)

static inline uint64_t ns_clock_read(clockid_t clock) {
    /* Neither clock below can fail on Linux. If one did, zeros would be easier to recognise than uninitialised memory. */
    struct timespec now = {0, 0};
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_CLOCK_SECOND + (uint64_t)now.tv_nsec;
}

/* Nanoseconds since the Unix epoch. Steps backwards when the system time is set back. */
static inline uint64_t ns_clock_wall(void) { return ns_clock_read(CLOCK_REALTIME); }

/* Nanoseconds since an arbitrary start. Never steps backwards. */
static inline uint64_t ns_clock_monotonic(void) { return ns_clock_read(CLOCK_MONOTONIC); }

/* Monotonic time at the last kernel tick, 1 to 10 ms ago, at a quarter of the cost. */
static inline uint64_t ns_clock_coarse(void) { return ns_clock_read(CLOCK_MONOTONIC_COARSE); }

#endif
