#include "tail/ns_policy.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "sampling/ns_token_bucket.h"
#include "base/ns_clock.h"
#include "sampling/ns_rate_controller.h"
#include "sampling/ns_threshold.h"

/* Threshold of a trace kept with unknown probability. Larger than any other, as NS_POLICY_AND requires. */
#define UNKNOWN UINT64_MAX

#define NANOSECONDS_A_MILLISECOND 1000000u

typedef struct policy_counters {
    _Atomic uint64_t sampled, not_sampled, dropped, spans_sampled, spans_dropped;
} policy_counters;

/* A policy and its mutable state. */
typedef struct node {
    ns_policy policy;
    _Atomic uint64_t spent; /* of a part of a composite: the second, and in the low 32 bits the spans kept in that second */
    union {
        ns_token_bucket bucket;
        ns_rate_controller controller;
    };
    policy_counters policy_counters; /* of a top-level policy */
} node;

struct ns_policies {
    size_t top_count;
    uint32_t tops[NS_POLICIES_MAX];
    node nodes[];
};

/* The result of one policy. It is certain if it follows from facts alone: any other trace id would have had the same
 * result. */
typedef struct vote {
    bool yes;
    bool certain;
    uint64_t threshold; /* if yes */
} vote;

/* --- leaves ---------------------------------------------------------------------------------------------------- */

static inline vote fact(bool holds) { return (vote){.yes = holds, .certain = true, .threshold = 0}; }

static inline vote chance(bool yes, uint64_t threshold) {
    return (vote){.yes = yes, .certain = threshold == 0, .threshold = threshold};
}

static inline bool is_between(uint64_t value, uint64_t min, uint64_t max) {
    return value >= min && (max == 0 || value <= max);
}

static uint64_t milliseconds_of(const ns_trace_facts *trace) {
    return trace->end > trace->start ? (trace->end - trace->start) / NANOSECONDS_A_MILLISECOND : 0;
}

static uint64_t fnv1a(uint64_t hash, const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t ns_fnv1a_start(const void *bytes, size_t size) { return fnv1a(UINT64_C(0xcbf29ce484222325), bytes, size); }

static uint64_t hash_of(const ns_trace_facts *trace, uint64_t salt) {
    uint8_t id[16];
    ns_store_u64(id, __builtin_bswap64(trace->trace_high));
    ns_store_u64(id + 8, __builtin_bswap64(trace->trace_low));
    return fnv1a(salt, id, sizeof id);
}

static vote aim(ns_rate_controller *controller, const ns_trace_facts *trace, uint64_t now) {
    uint64_t threshold = ns_rate_controller_ask(controller, trace->randomness, now);
    bool yes = ns_threshold_keeps(trace->randomness, threshold);
    /* One span of a kept trace is already counted by ns_rate_controller_ask. */
    if (yes && trace->spans > 1) ns_rate_controller_note_spans(controller, trace->spans - 1);
    return chance(yes, threshold);
}

/* --- trees ----------------------------------------------------------------------------------------------------- */

/* Input of an evaluation. Without `pays`, limiters spend nothing and return an uncertain no; the caller then uses only
 * whether the result is certain. */
typedef struct input {
    const ns_trace_facts *trace;
    uint64_t now;
    bool pays;
} input;

static vote evaluate(node *node, input input);

/* Yes if all parts say yes. Parts after the first no do not pay, but they may make the result certain. */
static vote all_of(node *parent, input input) {
    vote sum = {.yes = true, .certain = true, .threshold = 0};
    bool certainly_no = false;
    node *end = parent + parent->policy.extent;
    for (node *part = parent + 1; part < end; part += part->policy.extent) {
        vote vote = evaluate(part, input);
        if (vote.yes) {
            if (vote.threshold > sum.threshold) sum.threshold = vote.threshold;
            sum.certain &= vote.certain;
        } else {
            sum.yes = input.pays = false;
            certainly_no |= vote.certain;
        }
    }
    if (!sum.yes) sum.certain = certainly_no;
    return sum;
}

/* The price of a trace for a limiter. A trace decided before any of its spans has ended costs as much as one span or
 * byte. */
static inline uint64_t price(uint64_t seen) { return seen ? seen : 1; }

/* Charges the trace's spans to the allowance of a part for this second. Returns false if they exceed it. */
static bool spend(node *part, input input) {
    uint64_t second = (uint32_t)(input.now / NS_CLOCK_SECOND);
    uint64_t seen = atomic_load_explicit(&part->spent, memory_order_relaxed), spans;
    do {
        spans = price(input.trace->spans) + (seen >> 32 == second ? (uint32_t)seen : 0);
        if (spans > part->policy.allowance) return false;
    } while (!atomic_compare_exchange_weak_explicit(&part->spent, &seen, second << 32 | spans, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static vote first_of(node *parent, input input) {
    bool certain = true;
    node *end = parent + parent->policy.extent;
    for (node *part = parent + 1; part < end; part += part->policy.extent) {
        vote vote = evaluate(part, input);
        if (vote.yes) return chance(input.pays && spend(part, input), UNKNOWN);
        certain &= vote.certain;
    }
    return (vote){.yes = false, .certain = certain, .threshold = UNKNOWN};
}

static vote none_of(node *parent, input input) {
    vote part = evaluate(parent + 1, input);
    return (vote){.yes = !part.yes, .certain = part.certain, .threshold = part.certain ? 0 : UNKNOWN};
}

static vote evaluate(node *node, input input) {
    const ns_policy *policy = &node->policy;
    const ns_trace_facts *trace = input.trace;
    switch (policy->kind) {
    case NS_POLICY_ALWAYS:
        return fact(true);
    case NS_POLICY_STATUS:
        return fact(trace->statuses & policy->bits);
    case NS_POLICY_LATENCY:
        return fact(is_between(milliseconds_of(trace), policy->min_value + 1, policy->max_value));
    case NS_POLICY_MATCH:
        return fact(trace->matches & policy->bits);
    case NS_POLICY_NO_MATCH:
        return fact(!(trace->matches & policy->bits));
    case NS_POLICY_SPAN_COUNT:
        return fact(is_between(trace->spans, policy->min_value, policy->max_value));
    case NS_POLICY_TRACE_FLAGS:
        return fact(trace->flags & 1);
    case NS_POLICY_PROBABILITY:
        return chance(ns_threshold_keeps(trace->randomness, policy->threshold), policy->threshold);
    case NS_POLICY_HASH:
        return chance(hash_of(trace, policy->salt) <= policy->threshold, UNKNOWN);
    case NS_POLICY_SPANS_RATE:
        return chance(input.pays && ns_token_bucket_take(&node->bucket, input.now, price(trace->spans)), UNKNOWN);
    case NS_POLICY_BYTES_RATE:
        return chance(input.pays && ns_token_bucket_take(&node->bucket, input.now, price(trace->bytes)), UNKNOWN);
    case NS_POLICY_SPANS_TARGET:
        return input.pays ? aim(&node->controller, trace, input.now) : chance(false, UNKNOWN);
    case NS_POLICY_AND:
    case NS_POLICY_DROP:
        return all_of(node, input);
    case NS_POLICY_NOT:
        return none_of(node, input);
    case NS_POLICY_COMPOSITE:
        return first_of(node, input);
    }
    return fact(false);
}

/* --- the decision ---------------------------------------------------------------------------------------------- */

static inline void add(_Atomic uint64_t *sum, uint64_t more) { atomic_fetch_add_explicit(sum, more, memory_order_relaxed); }

ns_verdict ns_policies_decide(ns_policies *policies, const ns_trace_facts *trace, uint64_t now) {
    const input input = {trace, now, true};
    bool keep = false, spared_by_chance = false;
    uint64_t threshold = UNKNOWN;
    for (size_t i = 0; i < policies->top_count; i++) {
        node *top = &policies->nodes[policies->tops[i]];
        if (top->policy.kind != NS_POLICY_DROP) continue;
        vote vote = evaluate(top, input);
        if (vote.yes) {
            add(&top->policy_counters.dropped, 1);
            add(&top->policy_counters.spans_dropped, trace->spans);
            return (ns_verdict){.keep = false, .dropped = true};
        }
        add(&top->policy_counters.not_sampled, 1);
        spared_by_chance |= !vote.certain;
    }
    for (size_t i = 0; i < policies->top_count; i++) {
        node *top = &policies->nodes[policies->tops[i]];
        if (top->policy.kind == NS_POLICY_DROP) continue;
        vote vote = evaluate(top, input);
        if (vote.yes) {
            add(&top->policy_counters.sampled, 1);
            add(&top->policy_counters.spans_sampled, trace->spans);
            keep = true;
            if (vote.threshold < threshold) threshold = vote.threshold;
        } else {
            add(&top->policy_counters.not_sampled, 1);
        }
    }
    if (!keep) return (ns_verdict){.keep = false};
    if (spared_by_chance || threshold == UNKNOWN) return (ns_verdict){.keep = true, .th_action = NS_TH_ERASE};
    if (threshold == 0) return (ns_verdict){.keep = true, .th_action = NS_TH_LEAVE};
    return (ns_verdict){.keep = true, .th_action = NS_TH_RAISE, .threshold = threshold};
}

/* --- making ---------------------------------------------------------------------------------------------------- */

static bool has_parts(ns_policy_kind kind) {
    return kind == NS_POLICY_AND || kind == NS_POLICY_NOT || kind == NS_POLICY_DROP || kind == NS_POLICY_COMPOSITE;
}

/* Whether a tree of at most `room` nodes is well formed. */
static bool is_tree(const ns_policy *root, size_t room, unsigned depth) {
    if (depth > NS_POLICIES_MAX_DEPTH || root->extent < 1 || root->extent > room) return false;
    if (has_parts(root->kind) != (root->extent > 1) || (root->kind == NS_POLICY_DROP && depth > 1)) return false;
    for (size_t at = 1; at < root->extent; at += root[at].extent)
        if (!is_tree(root + at, root->extent - at, depth + 1)) return false;
    return root->kind != NS_POLICY_NOT || root[1].extent == root->extent - 1;
}

static void prepare(node *node) {
    const ns_policy *policy = &node->policy;
    switch (policy->kind) {
    case NS_POLICY_SPANS_RATE:
    case NS_POLICY_BYTES_RATE:
        ns_token_bucket_init(&node->bucket, policy->rate, policy->burst);
        break;
    case NS_POLICY_SPANS_TARGET:
        ns_rate_controller_init(&node->controller, policy->rate, NS_RATE_CONTROLLER_SPANS, 0, 0);
        break;
    default:
        break;
    }
}

ns_policies *ns_policies_new(const ns_policy *nodes, size_t count) {
    if (count < 1 || count > NS_POLICIES_MAX) return NULL;
    for (size_t at = 0; at < count; at += nodes[at].extent)
        if (!is_tree(nodes + at, count - at, 1)) return NULL;
    size_t size = sizeof(ns_policies) + count * sizeof(node); /* a multiple of the alignment, as each operand is */
    ns_policies *policies = aligned_alloc(_Alignof(ns_policies), size);
    if (!policies) return NULL;
    memset(policies, 0, size);
    for (size_t at = 0; at < count; at += nodes[at].extent) policies->tops[policies->top_count++] = (uint32_t)at;
    for (size_t at = 0; at < count; at++) {
        policies->nodes[at].policy = nodes[at];
        prepare(&policies->nodes[at]);
    }
    return policies;
}

void ns_policies_free(ns_policies *policies) { free(policies); }

size_t ns_policies_count(const ns_policies *policies) { return policies->top_count; }

ns_policy_counts ns_policies_counts(const ns_policies *policies, size_t index) {
    const policy_counters *policy_counters = &policies->nodes[policies->tops[index]].policy_counters;
    return (ns_policy_counts){
        .sampled = atomic_load_explicit(&policy_counters->sampled, memory_order_relaxed),
        .not_sampled = atomic_load_explicit(&policy_counters->not_sampled, memory_order_relaxed),
        .dropped = atomic_load_explicit(&policy_counters->dropped, memory_order_relaxed),
        .spans_sampled = atomic_load_explicit(&policy_counters->spans_sampled, memory_order_relaxed),
        .spans_dropped = atomic_load_explicit(&policy_counters->spans_dropped, memory_order_relaxed),
    };
}
