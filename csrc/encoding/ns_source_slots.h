/* The slots of a table of sources: which pair of objects each stands for, and how many records name it.
 *
 *      slot   | resource | scope | records |      resource NULL: none; records: NS_SOURCE_SLOT_CLOSED while it stands for nothing
 *
 * Adding and sweeping are done by one thread at a time. Taking hold of a slot is not: with NS_FREE_THREADS (an interpreter
 * without a lock of its own) threads that end spans do it without a lock beside those two. The memory of a slot stays; what it
 * stands for may change when nobody holds it:
 *
 *   operation                         order     why
 *   --------------------------------  --------  ---------------------------------------------------------------------
 *   taker loads resource              acquire   a guess; on a slot that is filled for the first time, sees that it is closed
 *   taker adds 1, unless closed       acquire   the guess was right: the pair and what is described by the slot are whole.
 *                                               From here on nobody closes it; the pair is looked at once more
 *   retain adds 1                     relaxed   who retains holds one already
 *   release subtracts 1               release   what was read of the source was read before
 *   sweeper swaps 0 for closed        acq_rel   sees all releases before it frees what was described
 *   adder stores resource             release   publishes that the slot is closed (see the first line)
 *   adder stores 1 in records         release   publishes the slot
 *
 * Without NS_FREE_THREADS whoever calls holds the interpreter's lock, and all of this is plain arithmetic. */
#ifndef NS_SOURCE_SLOTS_H
#define NS_SOURCE_SLOTS_H

#include "base/ns_base.h"

#define NS_SOURCE_SLOT_CLOSED (UINT64_C(1) << 63)

typedef struct ns_source_slot {
    const void *resource; /* compared, never followed */
    const void *scope;
    uint64_t records;
} ns_source_slot;

#ifdef NS_FREE_THREADS

/* Takes hold of a slot if it stands for this pair. The caller keeps both objects alive, so that an object of the slot's with
 * the same address is the same object. */
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

/* Begins to fill a slot that was never used or is closed: nobody takes it until ns_source_slot_open. */
static inline void ns_source_slot_fill(ns_source_slot *slot, const void *resource, const void *scope) {
    __atomic_store_n(&slot->records, NS_SOURCE_SLOT_CLOSED, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->scope, scope, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->resource, resource, __ATOMIC_RELEASE);
}

/* Ends that; the caller holds the slot. */
static inline void ns_source_slot_open(ns_source_slot *slot) { __atomic_store_n(&slot->records, 1, __ATOMIC_RELEASE); }

/* Closes a slot that no record names. False if one does. */
static inline bool ns_source_slot_close(ns_source_slot *slot) {
    uint64_t none = 0;
    if (!__atomic_compare_exchange_n(&slot->records, &none, NS_SOURCE_SLOT_CLOSED, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
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
