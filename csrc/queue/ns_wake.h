/* One sleeper, many wakers: the worker of a queue, and the producers that may have to wake it.
 *
 *   sleeper                                  waker
 *   -----------------------------------      ------------------------------------
 *   announce:  state = ASLEEP (seq_cst)      advance the queue (seq_cst)
 *   look at the queue again (seq_cst)        load state (seq_cst)
 *   sleep while state is ASLEEP              if ASLEEP: swap to AWAKE, wake
 *
 * With one order over these four accesses, either the sleeper sees the advance or the waker sees the sleeper: no wake
 * is lost. The swap has one winner, so that a batch costs at most one system call however many producers cross the
 * threshold together.
 */
#ifndef NS_WAKE_H
#define NS_WAKE_H

#include <stdatomic.h>

#include "base/ns_base.h"

enum { NS_AWAKE = 0, NS_ASLEEP = 1 };

typedef struct ns_wake {
    _Atomic uint32_t state;
    _Atomic uint32_t requested; /* somebody wants the sleeper up, whatever the queue holds */
} ns_wake;

static inline void ns_wake_announce(ns_wake *wake) {
    atomic_store_explicit(&wake->state, NS_ASLEEP, memory_order_seq_cst);
}

/* Takes an announcement back: the queue turned out not to be worth sleeping on. */
static inline void ns_wake_cancel(ns_wake *wake) {
    /* relaxed: a waker that still sees ASLEEP makes one needless system call */
    atomic_store_explicit(&wake->state, NS_AWAKE, memory_order_relaxed);
}

/* Sleeps, after ns_wake_announce, until woken or until `timeout_ns` have passed. True if woken. */
bool ns_wake_sleep(ns_wake *wake, int64_t timeout_ns);

void ns_wake_slow(ns_wake *wake);

static inline void ns_wake_up(ns_wake *wake) {
    if (NS_UNLIKELY(atomic_load_explicit(&wake->state, memory_order_seq_cst) == NS_ASLEEP)) ns_wake_slow(wake);
}

/* Wakes the sleeper, or keeps it from sleeping next time: the request stays until it is taken. */
static inline void ns_wake_request(ns_wake *wake) {
    /* seq_cst: takes the place of "advance the queue" in the table above */
    atomic_store_explicit(&wake->requested, 1, memory_order_seq_cst);
    ns_wake_up(wake);
}

static inline bool ns_wake_requested(ns_wake *wake) {
    return atomic_load_explicit(&wake->requested, memory_order_seq_cst) != 0;
}

static inline bool ns_wake_take_request(ns_wake *wake) {
    /* acq_rel: what the requester wrote before is seen after */
    return atomic_exchange_explicit(&wake->requested, 0, memory_order_acq_rel) != 0;
}

#endif
