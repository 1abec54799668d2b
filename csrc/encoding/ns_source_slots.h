/* The slots of a table of sources. Each slot stands for one pair of resource and scope and counts the references to it.
 *
 *      slot   | resource | scope | records |      resource: NULL for none
 *                                                 records: NS_SOURCE_SLOT_CLOSED while the slot stands for nothing
 *
 * One thread at a time adds and sweeps. Taking a reference is concurrent: with NS_FREE_THREADS (an interpreter without a
 * GIL), threads that end spans take references without a lock while another thread adds or sweeps. The memory of a slot
 * never moves. Its pair may change while no thread holds a reference:
 *
 *   operation                         order     why
 *   --------------------------------  --------  ---------------------------------------------------------------------
 *   taker loads resource              acquire   a guess; if the slot is being filled for the first time, the taker also
 *                                               sees that it is closed
 *   taker adds 1, unless closed       acquire   the guess was right: the pair and the data that the slot describes are
 *                                               complete. No thread closes the slot any more; the taker compares the
 *                                               pair once more
 *   retain adds 1                     relaxed   the caller already holds a reference
 *   release subtracts 1               release   all reads of the source happen before the release
 *   sweeper swaps 0 for closed        acq_rel   the sweeper sees all releases before it frees the described data
 *   adder stores resource             release   publishes that the slot is closed (see the first line)
 *   adder stores 1 in records         release   publishes the slot
 *
 * Without NS_FREE_THREADS every caller holds the GIL, and all operations are plain arithmetic.
 */
#ifndef NS_SOURCE_SLOTS_H
#define NS_SOURCE_SLOTS_H

#include "base/ns_base.h"

#define NS_SOURCE_SLOT_CLOSED (UINT64_C(1) << 63)

typedef struct ns_source_slot {
    const void *resource; /* compared, never dereferenced */
    const void *scope;
    uint64_t records;
} ns_source_slot;

#ifdef NS_FREE_THREADS

/* Takes a reference if the slot stands for this pair. The caller keeps both objects alive, so an equal address in the slot
 * means the same object. */
static inline bool ns_source_slot_take(ns_source_slot *slot, const void *resource, const void *scope) {
    if (__atomic_load_n(&slot->resource, __ATOMIC_ACQUIRE) != resource) return false;
    uint64_t records = __atomic_load_n(&slot->records, __ATOMIC_RELAXED);
    do {
        if (records & NS_SOURCE_SLOT_CLOSED) return false;
    } while (!__atomic_compare_exchange_n(&slot->records, &records, records + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
    if (NS_LIKELY(__atomic_load_n(&slot->resource, __ATOMIC_RELAXED) == resource &&
                  __atomic_load_n(&slot->scope, __ATOMIC_RELAXED) == scope))
        return true;
    __atomic_fetch_sub(&slot->records, 1, __ATOMIC_RELEASE);
    return false;
}

static inline void ns_source_slot_retain(ns_source_slot *slot) { __atomic_fetch_add(&slot->records, 1, __ATOMIC_RELAXED); }

static inline void ns_source_slot_release(ns_source_slot *slot) { __atomic_fetch_sub(&slot->records, 1, __ATOMIC_RELEASE); }

/* Starts to fill a slot that is new or closed. No thread can take a reference until ns_source_slot_open. */
static inline void ns_source_slot_fill(ns_source_slot *slot, const void *resource, const void *scope) {
    __atomic_store_n(&slot->records, NS_SOURCE_SLOT_CLOSED, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->scope, scope, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->resource, resource, __ATOMIC_RELEASE);
}

/* Opens a filled slot; the caller holds the first reference. */
static inline void ns_source_slot_open(ns_source_slot *slot) { __atomic_store_n(&slot->records, 1, __ATOMIC_RELEASE); }

/* Closes a slot that has no references. Returns false if it has any. */
static inline bool ns_source_slot_close(ns_source_slot *slot) {
    uint64_t none = 0;
    if (!__atomic_compare_exchange_n(&slot->records, &none, NS_SOURCE_SLOT_CLOSED, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return false;
    __atomic_store_n(&slot->resource, NULL, __ATOMIC_RELAXED);
    return true;
}

#else

static inline bool ns_source_slot_take(ns_source_slot *slot, const void *resource, const void *scope) {
    if (slot->resource != resource || slot->scope != scope) return false;
    slot->records++;
    return true;
}

static inline void ns_source_slot_retain(ns_source_slot *slot) { slot->records++; }

static inline void ns_source_slot_release(ns_source_slot *slot) { slot->records--; }

static inline void ns_source_slot_fill(ns_source_slot *slot, const void *resource, const void *scope) {
    slot->resource = resource;
    slot->scope = scope;
}

static inline void ns_source_slot_open(ns_source_slot *slot) { slot->records = 1; }

static inline bool ns_source_slot_close(ns_source_slot *slot) {
    if (slot->records) return false;
    slot->resource = NULL;
    return true;
}

#endif

#endif
