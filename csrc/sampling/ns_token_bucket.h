/* A token bucket in one word, without a lock.
 *
 * A bucket that refills `rate` tokens a second up to `burst` is the same thing as a row of appointments `cost` = 1 / rate
 * apart, of which at most `burst` may be made ahead of time. All that has to be remembered is when the next appointment
 * would be if nobody were early: the theoretical arrival time, `tat`. (Known as the generic cell rate algorithm.)
 *
 *      tokens taken long ago             now             now + burst * cost
 *      ---------------------|-------------|--------------------|-------------> time
 *                          tat: full                           tat: empty
 *
 *      take n:   next = max(tat, now) + n * cost;   granted if next <= now + burst * cost, and then tat = next
 *
 * In any stretch of t seconds at most burst + rate * t tokens are granted; there is no refill to be done, so silence costs
 * nothing and needs no timer. A clock that stands still grants what is left of the burst and no more; a `now` that is older
 * than that of another thread only makes this caller's own allowance smaller.
 *
 * Times are in sixteenths of a nanosecond, so that a cost of a few nanoseconds still has two digits: they last for 18 years
 * of uptime.
 *
 *   operation            order     why
 *   -------------------  --------  ---------------------------------------------------------------------------------
 *   load of tat          relaxed   a guess for the compare-and-swap, which alone decides
 *   swap of tat          relaxed   the word is all there is: nothing else is published or read through it, and the
 *                                  modification order of one word is enough to hand out each token once
 */
#ifndef NS_TOKEN_BUCKET_H
#define NS_TOKEN_BUCKET_H

#include <stdatomic.h>

#include "base/ns_base.h"

#define NS_TOKEN_BUCKET_UNITS 16.0 /* of time in a nanosecond */
/* No cost and no burst is longer: four years. Leaves room for the sum of both and any `now` below 2^63 units. */
#define NS_TOKEN_BUCKET_MAX  0x1p61

/*       0          8          16
 *       | tat      | cost     | burst    |
 *         shared     written once, by init
 */
typedef struct ns_token_bucket {
    _Atomic uint64_t tat;
    double cost;    /* of a token, in units of time; 0: no limit */
    uint64_t burst; /* what a full bucket is worth, in units of time; 0: nothing is ever granted */
} ns_token_bucket;

/* A full bucket. A rate that is not above zero grants nothing; a burst below one token is taken as one, since it would
 * grant nothing either. Nobody else may be using the bucket. */
static inline void ns_token_bucket_init(ns_token_bucket *bucket, double per_second, double burst) {
    atomic_init(&bucket->tat, 0);
    bucket->cost = 0;
    bucket->burst = 0;
    if (!(per_second > 0)) return;
    if (!(burst >= 1)) burst = 1;
    double cost = 1e9 * NS_TOKEN_BUCKET_UNITS / per_second;
    bucket->cost = cost < NS_TOKEN_BUCKET_MAX ? cost : NS_TOKEN_BUCKET_MAX;
    double whole = burst * bucket->cost;
    /* Rounded up while costs are rounded down, so that a full bucket grants all of its burst. */
    bucket->burst = whole < NS_TOKEN_BUCKET_MAX ? (uint64_t)whole + 1 : (uint64_t)NS_TOKEN_BUCKET_MAX;
}

/* Takes all of `tokens` or none. More than the burst is never granted. `now_ns`: CLOCK_MONOTONIC. */
static inline bool ns_token_bucket_take(ns_token_bucket *bucket, uint64_t now_ns, uint64_t tokens) {
    double cost = (double)tokens * bucket->cost;
    if (!(cost <= (double)bucket->burst) || bucket->burst == 0) return false;
    uint64_t now = now_ns * (uint64_t)NS_TOKEN_BUCKET_UNITS, limit = now + bucket->burst;
    uint64_t tat = atomic_load_explicit(&bucket->tat, memory_order_relaxed), next;
    do {
        next = (tat > now ? tat : now) + (uint64_t)cost;
        if (next > limit) return false;
    } while (!atomic_compare_exchange_weak_explicit(&bucket->tat, &tat, next, memory_order_relaxed, memory_order_relaxed));
    return true;
}

#endif
