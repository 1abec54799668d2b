/* One sleeper and many wakers: the worker of a queue, and the producers that may have to wake it.
 *
 *   sleeper                                  waker
 *   -----------------------------------      ------------------------------------
 *   announce:  state = ASLEEP (seq_cst)      advance the queue (seq_cst)
 *   check the queue again (seq_cst)          load state (seq_cst)
 *   sleep while state is ASLEEP              if ASLEEP: swap to AWAKE, wake
 *
 * These four accesses have one total order. Therefore either the sleeper sees the advance or the waker sees the sleeper, and
 * no wake is lost. The swap has one winner, so a batch costs at most one system call, however many producers cross the
 * threshold at the same time.
 */
#ifndef NS_WAKE_H
#define NS_WAKE_H

#include <stdatomic.h>

#include "base/ns_base.h"

enum { NS_AWAKE = 0, NS_ASLEEP = 1 };

typedef struct ns_wake {
    _Atomic uint32_t state;
    _Atomic uint32_t requested; /* the sleeper must wake, whatever the queue contains */
} ns_wake;

static inline void ns_wake_announce(ns_wake *wake) { atomic_store_explicit(&wake->state, NS_ASLEEP, memory_order_seq_cst); }

/* Cancels an announcement: the second check of the queue found work. */
static inline void ns_wake_cancel(ns_wake *wake) {
    /* relaxed: a waker that still sees ASLEEP makes one unnecessary system call */
    atomic_store_explicit(&wake->state, NS_AWAKE, memory_order_relaxed);
}

/* Sleeps, after ns_wake_announce, until woken or until `timeout_ns` have passed. Returns true if woken. */
bool ns_wake_sleep(ns_wake *wake, int64_t timeout_ns);

void ns_wake_slow(ns_wake *wake);

static inline void ns_wake_up(ns_wake *wake) {
    if (NS_UNLIKELY(atomic_load_explicit(&wake->state, memory_order_seq_cst) == NS_ASLEEP)) ns_wake_slow(wake);
}

/* Wakes the sleeper, or prevents its next sleep: the request stays set until it is taken. */
static inline void ns_wake_request(ns_wake *wake) {
    /* seq_cst: this store is "advance the queue" in the table above */
    atomic_store_explicit(&wake->requested, 1, memory_order_seq_cst);
    ns_wake_up(wake);
}

static inline bool ns_wake_requested(ns_wake *wake) {
    return atomic_load_explicit(&wake->requested, memory_order_seq_cst) != 0;
}

static inline bool ns_wake_take_request(ns_wake *wake) {
    /* acq_rel: everything that the requester wrote before is visible */
    return atomic_exchange_explicit(&wake->requested, 0, memory_order_acq_rel) != 0;
}

#endif
