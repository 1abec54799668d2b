/* A token bucket in one word, without a lock.
 *
 * This is the generic cell rate algorithm. A bucket that refills `rate` tokens per second up to `burst` equals a row of
 * appointments `cost` = 1 / rate apart, of which at most `burst` may be made ahead of time. The only state is the time of
 * the next appointment if none were early: the theoretical arrival time, `tat`.
 *
 *      tokens taken long ago             now             now + burst * cost
 *      ---------------------|-------------|--------------------|-------------> time
 *                          tat: full                           tat: empty
 *
 *      take n:   next = max(tat, now) + n * cost;   granted if next <= now + burst * cost, and then tat = next
 *
 * In any period of t seconds at most burst + rate * t tokens are granted. There is no refill, so silence costs nothing and
 * needs no timer. A clock that stands still grants the rest of the burst and no more. A `now` that is older than that of
 * another thread only reduces the allowance of this caller.
 *
 * Times are in sixteenths of a nanosecond, so that a cost of a few nanoseconds still has two digits. They last for 18 years
 * of uptime.
 *
 *   operation            order     why
 *   -------------------  --------  ---------------------------------------------------------------------------------
 *   load of tat          relaxed   a guess for the compare-and-swap, which alone decides
 *   swap of tat          relaxed   the word is the whole state: nothing else is published or read through it, and the
 *                                  modification order of one word is enough to grant each token once
 */
#ifndef NS_TOKEN_BUCKET_H
#define NS_TOKEN_BUCKET_H

#include <stdatomic.h>

#include "base/ns_base.h"

#define NS_TOKEN_BUCKET_UNITS 16.0 /* units of time per nanosecond */
/* Maximum of a cost and of a burst: four years. The sum of both and any `now` below 2^63 units does not overflow. */
#define NS_TOKEN_BUCKET_MAX 0x1p61

/*       0          8          16
 *       | tat      | cost     | burst    |
 *         shared     written once, by init
 */
typedef struct ns_token_bucket {
    _Atomic uint64_t tat;
    double cost;    /* of a token, in units of time; 0: no limit */
    uint64_t burst; /* value of a full bucket, in units of time; 0: never grants */
} ns_token_bucket;

/* Initialises a full bucket. A rate of zero or less grants nothing. A burst below one token counts as one token, because it
 * would otherwise grant nothing. No other thread may use the bucket meanwhile. */
static inline void ns_token_bucket_init(ns_token_bucket *bucket, double per_second, double burst) {
    atomic_init(&bucket->tat, 0);
    bucket->cost = 0;
    bucket->burst = 0;
    if (!(per_second > 0)) return;
    if (!(burst >= 1)) burst = 1;
    double cost = 1e9 * NS_TOKEN_BUCKET_UNITS / per_second;
    bucket->cost = cost < NS_TOKEN_BUCKET_MAX ? cost : NS_TOKEN_BUCKET_MAX;
    double whole = burst * bucket->cost;
    /* Rounded up while costs are rounded down, so that a full bucket grants its whole burst. */
    bucket->burst = whole < NS_TOKEN_BUCKET_MAX ? (uint64_t)whole + 1 : (uint64_t)NS_TOKEN_BUCKET_MAX;
}

/* Takes all of `tokens` or none. Never grants more than the burst. `now_ns` is CLOCK_MONOTONIC. */
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
