"""Declarations of the headers of csrc/context."""

from libc.stdint cimport uint8_t, uint64_t

cdef extern from "context/ns_ids.h" nogil:
    ctypedef struct ns_trace_id:
        uint64_t high
        uint64_t low

    void ns_ids_init(const void *fork_generation)
    uint64_t ns_span_id_new()
    ns_trace_id ns_trace_id_new()
    void ns_root_ids_new(ns_trace_id *trace_id, uint64_t *span_id)
    void ns_span_id_store(uint8_t *to, uint64_t id)
    void ns_trace_id_store(uint8_t *to, ns_trace_id id)

cdef extern from "context/ns_traceparent.h" nogil:
    enum: NS_TRACEPARENT_LENGTH
    enum: NS_TRACEPARENT_MAX_LENGTH

    ctypedef struct ns_traceparent:
        uint64_t trace_id_high
        uint64_t trace_id_low
        uint64_t span_id
        uint8_t flags

    bint ns_traceparent_read(const char *, size_t, ns_traceparent *)
    void ns_traceparent_write(char *, uint64_t, uint64_t, uint64_t, uint8_t)

cdef extern from "context/ns_tracestate.h" nogil:
    enum: NS_TRACESTATE_MAX_MEMBERS

    ctypedef struct ns_tracestate_member:
        const char *key
        const char *value
        size_t key_length
        size_t value_length

    ctypedef enum ns_tracestate_step:
        NS_TRACESTATE_END
        NS_TRACESTATE_MEMBER
        NS_TRACESTATE_MALFORMED

    bint ns_tracestate_is_level1_key(const char *, size_t)
    ns_tracestate_step ns_tracestate_next(const char **, const char *, ns_tracestate_member *)
