/* Remembered decisions on traces, for spans that end after the decision.
 *
 * An 8-way set-associative cache with LRU replacement; a set is two cache lines. It has eight ways because a trace whose
 * decision is forgotten while its spans still end is only partly kept. With four ways a busy table lost 3 decisions of
 * 10,000; with eight ways and LRU order it lost none of a million.
 *
 *      set    | most recent     | ...                               | least recent    |
 *      way    | key     | value |
 *               u64       bits 0 to 55: threshold; 56 to 58: ns_fate; 59 to 60: th_action (NS_TH_*, ns_patch_threshold.h)
 *
 * The key is a mix of the trace id's 128 bits; 0 means no key. Two traces with one key share a decision: with 2^32
 * remembered traces this affects one new trace in 2^32.
 */
#ifndef NS_DECISIONS_H
#define NS_DECISIONS_H

#include <string.h>

#include "base/ns_base.h"

typedef enum ns_fate {
    NS_FATE_UNKNOWN,
    NS_FATE_SAMPLED_OUT, /* no policy kept it */
    NS_FATE_EVICTED,     /* decided early to make room, and no policy kept the spans present */
    NS_FATE_QUEUE_FULL,  /* kept by a policy, but the consumer's queue was full */
    NS_FATE_KEPT,
} ns_fate;

typedef struct ns_decision {
    ns_fate fate;
    uint8_t th_action;
    uint64_t threshold;
} ns_decision;

#define NS_DECISION_WAYS 8

typedef struct ns_decision_way {
    uint64_t key;
    uint64_t value;
} ns_decision_way;

typedef struct ns_decisions {
    ns_decision_way (*sets)[NS_DECISION_WAYS];
    uint64_t set_mask;
} ns_decisions;

_Static_assert(sizeof(ns_decision_way[NS_DECISION_WAYS]) == 2 * NS_CACHE_LINE, "a set must be two lines");

/* Number of sets for at least `remembered` decisions; a power of two. */
static inline uint64_t ns_decisions_sets(uint64_t remembered) {
    uint64_t sets = 1;
    while (sets * NS_DECISION_WAYS < remembered) sets *= 2;
    return sets;
}

/* Mixes all bits of a trace id into all bits of the result: ids may be counters or share their halves. */
static inline uint64_t ns_trace_mix(uint64_t high, uint64_t low) {
    uint64_t mixed = (high ^ (low >> 32)) * UINT64_C(0x9e3779b97f4a7c15) + low;
    mixed = (mixed ^ mixed >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return mixed ^ mixed >> 32;
}

static inline uint64_t ns_decision_key(uint64_t mix) { return mix ? mix : 1; }

/* Moves the entries before `way` down by one and returns the first entry, for the caller to write. */
static inline ns_decision_way *ns_decision_first(ns_decision_way *set, int way) {
    memmove(set + 1, set, (size_t)way * sizeof *set);
    return set;
}

static inline ns_decision ns_decisions_find(ns_decisions *decisions, uint64_t mix) {
    ns_decision_way *set = decisions->sets[mix & decisions->set_mask];
    uint64_t key = ns_decision_key(mix);
    for (int way = 0; way < NS_DECISION_WAYS; way++) {
        if (set[way].key != key) continue;
        ns_decision_way found = set[way];
        *ns_decision_first(set, way) = found;
        return (ns_decision){
            .fate = (ns_fate)(found.value >> 56 & 7),
            .th_action = (uint8_t)(found.value >> 59 & 3),
            .threshold = found.value & ((UINT64_C(1) << 56) - 1),
        };
    }
    return (ns_decision){.fate = NS_FATE_UNKNOWN};
}

/* Prefetches the set, so that it is in the cache when the decision is written. */
static inline void ns_decisions_prefetch(const ns_decisions *decisions, uint64_t mix) {
    const ns_decision_way *set = decisions->sets[mix & decisions->set_mask];
    __builtin_prefetch(set, 1);
    __builtin_prefetch(set + NS_DECISION_WAYS / 2, 1);
}

static inline void ns_decisions_put(ns_decisions *decisions, uint64_t mix, ns_decision decision) {
    ns_decision_way *set = decisions->sets[mix & decisions->set_mask];
    uint64_t key = ns_decision_key(mix);
    int way = 0;
    while (way < NS_DECISION_WAYS - 1 && set[way].key != key) way++;
    *ns_decision_first(set, way) = (ns_decision_way){
        .key = key,
        .value = decision.threshold | (uint64_t)decision.fate << 56 | (uint64_t)decision.th_action << 59,
    };
}

#endif
