/* Accounting of spans. Every ended span is counted once as NS_ENDED and once for its outcome.
 *
 * A reader that sums the counters reads the outcomes first and NS_ENDED last, so that every span in the outcomes is also in
 * NS_ENDED. This requires an order between counters:
 *
 *   operation   order     why
 *   ---------   -------   -------------------------------------------------------------------------------------------
 *   add         release   a reader that sees a span's outcome also sees that the span ended
 *   read        acquire   the counterpart
 *   reset       relaxed   there is no other thread
 */
#ifndef NS_COUNTERS_H
#define NS_COUNTERS_H

#include <stdatomic.h>

#include "base/ns_base.h"

typedef enum ns_counter {
    NS_ENDED,
    NS_SAMPLED_OUT,
    NS_EXPORTED,
    NS_REJECTED,
    NS_DROPPED_QUEUE_FULL, /* of queues other than the ring; a ring counts its own drops (ns_ring.h) */
    NS_DROPPED_ENCODE_FAILED,
    NS_DROPPED_EXPORT_FAILED,
    NS_DROPPED_SHUTDOWN,
    NS_DROPPED_CONTRACT, /* withheld by a rule of the contract */
    NS_COUNTER_KINDS,
} ns_counter;

typedef struct ns_counters {
    _Atomic uint64_t value[NS_COUNTER_KINDS];
} ns_counters;

static inline void ns_count(ns_counters *counters, ns_counter which, uint64_t by) {
    atomic_fetch_add_explicit(&counters->value[which], by, memory_order_release);
}

static inline uint64_t ns_counted(const ns_counters *counters, ns_counter which) {
    return atomic_load_explicit(&counters->value[which], memory_order_acquire);
}

static inline void ns_counters_reset(ns_counters *counters) {
    for (int i = 0; i < NS_COUNTER_KINDS; i++) atomic_store_explicit(&counters->value[i], 0, memory_order_relaxed);
}

#endif
