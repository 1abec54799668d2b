/* The decision of tail sampling: keep or drop a whole trace, and how to change the `th` of its kept spans.
 *
 * Policies form a tree, stored as one array in which each node precedes its parts (preorder):
 *
 *      and  status  latency  |  probabilistic  |  drop  match
 *       3      1       1             1              2     1        `extent`: the node and all nodes below it
 *
 * They combine as in the OpenTelemetry Collector. Drop policies are evaluated first; if one of them says yes, the trace is
 * dropped. Then all other policies are evaluated, without short circuit: a limiter pays for a trace even if another policy
 * keeps it. A trace is kept if any policy says yes.
 *
 * The adjusted count of a kept span is 2^56 / (2^56 - th). A deterministic policy keeps every matching trace, so `th` is
 * unchanged (threshold 0). A probabilistic policy has a threshold T. The probability of a limiter is unknown. The verdict
 * has the smallest known threshold of the policies that said yes; if none is known, `th` is erased. `th` is also erased if a
 * drop policy let the trace pass by chance (see `certain` in ns_policy.c).
 *
 * Several threads may call ns_policies_decide at once, without the GIL: all mutable state is atomic.
 */
#ifndef NS_POLICY_H
#define NS_POLICY_H

#include "base/ns_base.h"
#include "tail/ns_patch_threshold.h" /* NS_TH_LEAVE, NS_TH_RAISE, NS_TH_ERASE */

#define NS_POLICIES_MAX       64 /* nodes in total */
#define NS_POLICIES_MAX_DEPTH 8  /* nodes from a top-level policy to a leaf, both inclusive */

/* The facts of a trace at its decision. */
typedef struct ns_trace_facts {
    uint64_t trace_high;
    uint64_t trace_low;
    uint64_t start;      /* earliest start of its spans, nanoseconds since the epoch */
    uint64_t end;        /* latest end */
    uint64_t matches;    /* conditions that hold for any of its spans or resources (ns_facts.h) */
    uint64_t bytes;      /* total of its encoded spans */
    uint64_t threshold;  /* largest `th` seen; valid if has_threshold */
    uint64_t randomness; /* R: `rv` of its trace state, else ns_randomness_of_trace(trace_low) */
    uint32_t spans;
    uint8_t statuses; /* bit s: some span has status s (1 unset, 2 ok, 4 error) */
    uint8_t flags;    /* bitwise or of the W3C flags of all spans */
    bool has_threshold;
} ns_trace_facts;

typedef struct ns_verdict {
    bool keep;
    bool dropped;       /* by a drop policy, whatever the other policies say */
    uint8_t th_action;  /* NS_TH_*; NS_TH_LEAVE if the trace is not kept */
    uint64_t threshold; /* for NS_TH_RAISE */
} ns_verdict;

typedef enum ns_policy_kind {
    NS_POLICY_ALWAYS,
    NS_POLICY_STATUS,       /* `bits`: the accepted statuses, as in ns_trace_facts.statuses */
    NS_POLICY_LATENCY,      /* `min_value` < duration in whole milliseconds; and duration <= `max_value` unless that is 0 */
    NS_POLICY_MATCH,        /* `bits`: any of these conditions holds */
    NS_POLICY_NO_MATCH,     /* `bits`: none of these conditions holds */
    NS_POLICY_PROBABILITY,  /* R >= `threshold` */
    NS_POLICY_HASH,         /* FNV-1a of the salt and the trace id is at most `threshold` (64 bits); `salt` */
    NS_POLICY_SPANS_RATE,   /* `rate` spans per second, `burst` */
    NS_POLICY_BYTES_RATE,   /* `rate` bytes per second, `burst` */
    NS_POLICY_SPANS_TARGET, /* an adaptive threshold for `rate` spans per second (ns_rate_controller.h) */
    NS_POLICY_SPAN_COUNT,   /* `min_value` <= spans; and spans <= `max_value` unless that is 0 */
    NS_POLICY_TRACE_FLAGS,  /* some span has the sampled flag */
    NS_POLICY_AND,          /* all parts say yes */
    NS_POLICY_NOT,          /* its only part says no */
    NS_POLICY_DROP,         /* top level only: drops if all parts say yes */
    NS_POLICY_COMPOSITE,    /* the first part that says yes, if its `allowance` for this second is not exhausted */
} ns_policy_kind;

typedef struct ns_policy {
    ns_policy_kind kind;
    uint32_t extent;    /* nodes of this subtree, including this one */
    uint32_t allowance; /* of a part of a composite: maximum spans per second */
    uint64_t bits;
    uint64_t min_value;
    uint64_t max_value;
    uint64_t threshold;
    uint64_t salt; /* FNV-1a state after the bytes of the salt: ns_fnv1a_start(salt, size) */
    double rate;
    double burst;
} ns_policy;

typedef struct ns_policies ns_policies;

/* Copies `nodes`. Returns NULL if memory is exhausted or the tree is malformed: no nodes or too many, too deep, an extent
 * beyond its parent's, a leaf with parts, `and`, `not`, `drop` or `composite` without parts, a drop policy below the top
 * level. */
ns_policies *ns_policies_new(const ns_policy *nodes, size_t count);
void ns_policies_free(ns_policies *policies);

/* `now` is CLOCK_MONOTONIC in nanoseconds. */
ns_verdict ns_policies_decide(ns_policies *policies, const ns_trace_facts *trace, uint64_t now);

/* Results of a top-level policy. */
typedef struct ns_policy_counts {
    uint64_t sampled; /* traces */
    uint64_t not_sampled;
    uint64_t dropped; /* by a drop policy; 0 for all others */
    uint64_t spans_sampled;
    uint64_t spans_dropped;
} ns_policy_counts;

size_t ns_policies_count(const ns_policies *policies); /* number of top-level policies */
ns_policy_counts ns_policies_counts(const ns_policies *policies, size_t index);

/* State of the 64-bit FNV-1a hash after some bytes, to be continued over a trace id. */
uint64_t ns_fnv1a_start(const void *bytes, size_t size);

#endif
