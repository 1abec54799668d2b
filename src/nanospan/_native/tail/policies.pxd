"""C-level tail sampling: conditions and policies for whoever holds spans until their trace is decided on.

    policies = CompiledPolicies(tail_sampling.policies)        # keep it alive for as long as its pointers are used
    ns_facts_of_span(span, size, policies.conditions, &facts)  # at the end of each span
    ns_policies_decide(policies.policies, &trace, now)         # once a trace

Nothing here needs the interpreter lock but the reading of facts while `policies.asks_python`: a pattern is searched by
Python's re, and the lock must be held then. ns_facts.c, ns_policy.c and ns_rate_controller.c keep no state of their own, so that
each extension which needs them is linked with them.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "<stdbool.h>":
    ctypedef bint c_bool "bool"

cdef extern from "tail/ns_facts.h":
    # Not nogil: the one that is given here needs the interpreter lock.
    ctypedef c_bool (*ns_like)(void *context, size_t condition, const char *text, size_t size) noexcept

cdef extern from "tail/ns_facts.h" nogil:
    enum ns_condition_kind:
        NS_TEXT_IS
        NS_TEXT_LIKE
        NS_NUMBER_IN
        NS_BOOL_IS
        NS_STATE_IS

    ctypedef struct ns_word:
        const char *chars
        size_t size

    ctypedef struct ns_condition:
        ns_condition_kind kind
        bint flag
        ns_word key
        const ns_word *values
        size_t value_count
        int64_t least
        int64_t most

    ctypedef struct ns_conditions:
        size_t count
        ns_like like

    ctypedef struct ns_facts:
        uint64_t trace_high
        uint64_t trace_low
        uint64_t start
        uint64_t end
        uint64_t matches
        const char *trace_state
        size_t trace_state_size
        uint32_t flags
        bint has_parent
        uint8_t status

    ns_conditions *ns_conditions_new(const ns_condition *conditions, size_t count, ns_like like, void *context)
    void ns_conditions_free(ns_conditions *conditions)
    bint ns_facts_of_span(const uint8_t *span, size_t size, const ns_conditions *conditions, ns_facts *facts)
    uint64_t ns_facts_of_resource(const uint8_t *field, size_t size, const ns_conditions *conditions)
    bint ns_facts_is_local_root(const ns_facts *facts)

cdef extern from "tail/ns_policy.h" nogil:
    enum:
        NS_POLICIES_MOST

    ctypedef struct ns_trace:
        uint64_t trace_high
        uint64_t trace_low
        uint64_t start
        uint64_t end
        uint64_t matches
        uint64_t bytes
        uint64_t threshold
        uint64_t randomness
        uint32_t spans
        uint8_t statuses
        uint8_t flags
        bint has_threshold

    ctypedef struct ns_verdict:
        bint keep
        uint8_t count
        uint64_t threshold

    enum ns_policy_kind:
        NS_POLICY_ALWAYS
        NS_POLICY_STATUS
        NS_POLICY_LATENCY
        NS_POLICY_MATCH
        NS_POLICY_NO_MATCH
        NS_POLICY_PROBABILITY
        NS_POLICY_HASH
        NS_POLICY_SPANS_RATE
        NS_POLICY_BYTES_RATE
        NS_POLICY_SPANS_TARGET
        NS_POLICY_SPAN_COUNT
        NS_POLICY_TRACE_FLAGS
        NS_POLICY_AND
        NS_POLICY_NOT
        NS_POLICY_DROP
        NS_POLICY_COMPOSITE

    ctypedef struct ns_policy:
        ns_policy_kind kind
        uint32_t extent
        uint32_t allowance
        uint64_t bits
        uint64_t least
        uint64_t most
        uint64_t threshold
        uint64_t salt
        double rate
        double burst

    ctypedef struct ns_policies:
        pass

    ctypedef struct ns_policy_counts:
        uint64_t sampled
        uint64_t not_sampled
        uint64_t dropped
        uint64_t spans_sampled
        uint64_t spans_dropped

    ns_policies *ns_policies_new(const ns_policy *nodes, size_t count)
    void ns_policies_free(ns_policies *policies)
    ns_verdict ns_policies_decide(ns_policies *policies, const ns_trace *trace, uint64_t now)
    size_t ns_policies_count(const ns_policies *policies)
    ns_policy_counts ns_policies_counts(const ns_policies *policies, size_t index)
    uint64_t ns_fnv1a_start(const void *bytes, size_t size)


cdef class CompiledPolicies:
    cdef const ns_conditions *conditions
    cdef ns_policies *policies
    cdef readonly bint asks_python  # the interpreter lock must be held where facts are read
    cdef readonly tuple names       # of the top-level policies, in their order
    cdef list matchers              # by condition; None for those that C decides

    cdef int compile_conditions(self, list conditions) except -1
    cdef int compile_nodes(self, list nodes) except -1
