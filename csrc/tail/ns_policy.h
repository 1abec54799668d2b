/* The decision of tail sampling: keep a trace whole or drop it whole, and what its kept spans may say of their count.
 *
 * Policies form a tree, given as one array in which each node is followed by its parts ("preorder"):
 *
 *      and  status  latency  |  probabilistic  |  drop  match
 *       3      1       1             1              2     1        `extent`: the node and all that is below it
 *
 * They combine as in the OpenTelemetry Collector. Drop policies are asked first, and what one of them drops is dropped.
 * Then all others are asked, none is spared because an earlier one said yes: a limiter pays for a trace also if another
 * policy keeps it. A trace is kept if any policy says yes.
 *
 * The count of a kept span is 2^56 / (2^56 - th). A policy that goes by facts alone keeps all such traces: it leaves `th`
 * as it came, which is the threshold 0. A probabilistic one has a threshold T. A limiter's probability is nobody's
 * knowledge. The smallest threshold known among the policies that said yes is the verdict's; if none is known, `th` has to
 * go. So it has to if a drop policy spared the trace by chance (see `certain` in ns_policy.c).
 *
 * ns_policies_decide may be called from several threads at once and without the interpreter lock: what changes is atomic.
 */
#ifndef NS_POLICY_H
#define NS_POLICY_H

#include "base/ns_base.h"
#include "tail/ns_patch_threshold.h" /* NS_TH_LEAVE, NS_TH_RAISE, NS_TH_ERASE */

#define NS_POLICIES_MAX 64      /* nodes in all */
#define NS_POLICIES_MAX_DEPTH 8    /* nodes on the way from a top-level policy to a leaf, both included */

/* What is known of a trace when it is decided. */
typedef struct ns_trace_facts {
    uint64_t trace_high;
    uint64_t trace_low;
    uint64_t start; /* the earliest of its spans, nanoseconds since the epoch */
    uint64_t end;   /* the latest */
    uint64_t matches; /* the conditions that hold for any of its spans, or for the resource (see ns_facts.h) */
    uint64_t bytes;   /* of its encoded spans */
    uint64_t threshold;  /* the largest `th` seen; read only if has_threshold */
    uint64_t randomness; /* R: the `rv` of its trace state, else ns_randomness_of_trace(trace_low) */
    uint32_t spans;
    uint8_t statuses; /* bit s: some span has the status s (1 unset, 2 ok, 4 error) */
    uint8_t flags;    /* the W3C flags of all spans, or-ed */
    bool has_threshold;
} ns_trace_facts;

typedef struct ns_verdict {
    bool keep;
    bool dropped;       /* by a drop policy: the trace was not wanted, whatever else is known of it */
    uint8_t count;      /* NS_TH_*; NS_TH_LEAVE when the trace is not kept */
    uint64_t threshold; /* of NS_TH_RAISE */
} ns_verdict;

typedef enum ns_policy_kind {
    NS_POLICY_ALWAYS,
    NS_POLICY_STATUS,        /* `bits`: the statuses sought, as in ns_trace_facts.statuses */
    NS_POLICY_LATENCY,       /* `least` < duration in whole milliseconds; and duration <= `most` unless that is 0 */
    NS_POLICY_MATCH,         /* `bits`: any of these conditions holds */
    NS_POLICY_NO_MATCH,      /* `bits`: none of these conditions holds */
    NS_POLICY_PROBABILITY,   /* R >= `threshold` */
    NS_POLICY_HASH,          /* FNV-1a of the salt and the trace id is at most `threshold` (64 bits); `salt` */
    NS_POLICY_SPANS_RATE,    /* `rate` spans a second, `burst` */
    NS_POLICY_BYTES_RATE,    /* `rate` bytes a second, `burst` */
    NS_POLICY_SPANS_TARGET,  /* a threshold that aims at `rate` spans a second (ns_rate_controller.h) */
    NS_POLICY_SPAN_COUNT,    /* `least` <= spans; and spans <= `most` unless that is 0 */
    NS_POLICY_TRACE_FLAGS,   /* some span has the sampled flag */
    NS_POLICY_AND,           /* all parts say yes */
    NS_POLICY_NOT,           /* its one part says no */
    NS_POLICY_DROP,          /* at the top only: dropped if all parts say yes */
    NS_POLICY_COMPOSITE,     /* the first part that says yes, if its `allowance` for this second is not used up */
} ns_policy_kind;

typedef struct ns_policy {
    ns_policy_kind kind;
    uint32_t extent;    /* nodes of this subtree, this one included */
    uint32_t allowance; /* of a part of a composite: the most spans in a second */
    uint64_t bits;
    uint64_t least;
    uint64_t most;
    uint64_t threshold;
    uint64_t salt; /* the FNV-1a state after the salt's bytes: ns_fnv1a_start(salt, size) */
    double rate;
    double burst;
} ns_policy;

typedef struct ns_policies ns_policies;

/* `nodes` is copied. NULL when memory is short, and for a tree that is none: no nodes or too many, too deep, an extent that
 * leaves its parent's, a leaf with parts, `and`, `not`, `drop` or `composite` without, a drop policy below the top. */
ns_policies *ns_policies_new(const ns_policy *nodes, size_t count);
void ns_policies_free(ns_policies *policies);

/* `now` is CLOCK_MONOTONIC in nanoseconds. */
ns_verdict ns_policies_decide(ns_policies *policies, const ns_trace_facts *trace, uint64_t now);

/* How often a top-level policy said what. */
typedef struct ns_policy_counts {
    uint64_t sampled; /* traces */
    uint64_t not_sampled;
    uint64_t dropped; /* by a drop policy; others never */
    uint64_t spans_sampled;
    uint64_t spans_dropped;
} ns_policy_counts;

size_t ns_policies_count(const ns_policies *policies); /* of top-level policies */
ns_policy_counts ns_policies_counts(const ns_policies *policies, size_t index);

/* The 64-bit FNV-1a hash of some bytes, to be carried on over a trace id. */
uint64_t ns_fnv1a_start(const void *bytes, size_t size);

#endif
