/* The two clocks of a span, in nanoseconds: when it happened, and how long things took. */
#ifndef NS_CLOCK_H
#define NS_CLOCK_H

#include <time.h>

#include "base/ns_base.h"

#define NS_CLOCK_SECOND UINT64_C(1000000000)

static inline uint64_t ns_clock_read(clockid_t clock) {
    /* Neither clock below can fail on Linux; zeros, if one ever did, are easier to spot than what the stack
     * held. */
    struct timespec now = {0, 0};
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_CLOCK_SECOND + (uint64_t)now.tv_nsec;
}

/* Nanoseconds since the Unix epoch; may step backwards when the system's time is set. */
static inline uint64_t ns_clock_wall(void) { return ns_clock_read(CLOCK_REALTIME); }

/* Nanoseconds since an arbitrary start; never steps backwards. */
static inline uint64_t ns_clock_monotonic(void) { return ns_clock_read(CLOCK_MONOTONIC); }

/* The same to the last tick of the kernel, 1 to 10 ms ago, at a quarter of the price. */
static inline uint64_t ns_clock_coarse(void) { return ns_clock_read(CLOCK_MONOTONIC_COARSE); }

#endif
