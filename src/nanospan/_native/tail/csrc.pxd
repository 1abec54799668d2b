"""The headers of csrc/tail as Cython sees them: declarations and nothing else."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from nanospan._native.encoding.csrc cimport ns_record

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
        int64_t min_value
        int64_t max_value

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
        NS_POLICIES_MAX

    ctypedef struct ns_trace_facts:
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
        uint8_t th_action
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
        uint64_t min_value
        uint64_t max_value
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
    ns_verdict ns_policies_decide(ns_policies *policies, const ns_trace_facts *trace, uint64_t now)
    size_t ns_policies_count(const ns_policies *policies)
    ns_policy_counts ns_policies_counts(const ns_policies *policies, size_t index)
    uint64_t ns_fnv1a_start(const void *bytes, size_t size)

cdef extern from "tail/ns_trace_table.h" nogil:
    ctypedef struct ns_trace_table_counts:
        uint64_t spans_kept
        uint64_t spans_sampled_out
        uint64_t spans_evicted
        uint64_t spans_queue_full
        uint64_t late_kept
        uint64_t late_dropped
        uint64_t late_forgotten
        uint64_t traces_kept
        uint64_t traces_sampled_out
        uint64_t traces_evicted
        uint64_t traces_queue_full
        uint64_t decided_early
        uint64_t decided_by_time
        uint64_t thresholds_unwritten

    ctypedef struct ns_trace_table_settings:
        uint64_t max_bytes
        uint32_t max_traces
        uint32_t remembered
        uint64_t wait_ns
        uint64_t wait_after_root_ns
        ns_policies *policies
        void (*retain)(void *context, uint32_t source)
        void (*release)(void *context, uint32_t source)
        void *context
        uint64_t (*clock)()

    ctypedef struct ns_trace_table:
        uint32_t traces_held
        uint64_t spans_held
        uint64_t bytes_held
        uint32_t spans_queued
        uint32_t spans_read
        uint32_t chunks_queued
        uint32_t max_queued
        uint32_t chunks_free
        uint32_t chunk_count
        ns_trace_table_counts counts

    ctypedef struct ns_kept_batch:
        uint8_t *bytes
        ns_record *records
        size_t count

    uint64_t ns_trace_table_min_bytes(uint32_t max_traces, uint32_t remembered)
    int ns_trace_table_make(ns_trace_table *table, const ns_trace_table_settings *settings)
    void ns_trace_table_free(ns_trace_table *table)
    uint32_t ns_trace_table_max_span(const ns_trace_table *table)
    ctypedef enum ns_place:
        NS_INNER
        NS_ENTRY
        NS_ROOT
    void ns_trace_table_start(ns_trace_table *table, uint64_t high, uint64_t low, ns_place place)
    bint ns_trace_table_end(ns_trace_table *table, const ns_facts *facts, uint64_t resource_matches, uint32_t source,
                       const uint8_t *span, uint32_t size)
    void ns_trace_table_forget(ns_trace_table *table, uint64_t high, uint64_t low, ns_place place)
    size_t ns_trace_table_sweep(ns_trace_table *table, size_t limit)
    void ns_trace_table_decide_all(ns_trace_table *table)
    bint ns_trace_table_acquire(ns_trace_table *table)
    int ns_trace_table_read(ns_trace_table *table, size_t max_spans, size_t max_bytes, ns_kept_batch *batch)
    void ns_trace_table_release(ns_trace_table *table, ns_kept_batch *batch)
    enum: CHUNK_BYTES "NS_CHUNK_BYTES"
