"""Declarations of the headers of csrc/encoding."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from nanospan._native.base.csrc cimport ns_text

cdef extern from "base/threads.h":  # first: it defines NS_FREE_THREADS for ns_source_slots.h
    pass

cdef extern from "encoding/ns_buf.h" nogil:
    ctypedef struct ns_buf:
        uint8_t *data
        size_t len
        bint failed

    ctypedef struct ns_savepoint:
        size_t len

    void ns_buf_init(ns_buf *buf, uint8_t *storage, size_t size, size_t limit)
    void ns_buf_free(ns_buf *buf)
    ns_savepoint ns_buf_save(const ns_buf *buf)
    void ns_buf_rewind(ns_buf *buf, ns_savepoint point)

cdef extern from "encoding/ns_otlp.h" nogil:
    ctypedef size_t ns_mark

    ctypedef struct ns_scalar:
        pass

    ctypedef struct ns_container:
        pass

    ctypedef struct ns_span_head:
        uint8_t trace_id[16]
        uint8_t span_id[8]
        uint8_t parent_span_id[8]
        bint has_parent
        uint8_t kind
        uint64_t start_time
        uint64_t end_time
        ns_text trace_state
        ns_text name

    ctypedef struct ns_span_tail:
        uint32_t dropped_links
        uint32_t flags
        bint has_status
        uint8_t status_code
        ns_text status_message

    const uint8_t NS_TAG_SPAN_ATTRIBUTE
    const uint8_t NS_TAG_EVENT_ATTRIBUTE
    const uint8_t NS_TAG_LINK_ATTRIBUTE
    const uint8_t NS_TAG_RESOURCE_ATTRIBUTE
    const uint8_t NS_TAG_SCOPE_ATTRIBUTE
    const uint8_t NS_TAG_KVLIST_VALUE
    const uint8_t NS_TAG_ARRAY_VALUE
    const uint8_t NS_TAG_KEY_VALUE_VALUE
    const uint32_t NS_FLAGS_W3C_MASK
    const uint32_t NS_FLAGS_HAS_IS_REMOTE
    const uint32_t NS_FLAGS_IS_REMOTE
    const size_t NS_OTLP_FIXED_ROOM
    void ns_otlp_close(ns_buf *buf, ns_mark mark)
    ns_scalar ns_scalar_empty()
    ns_scalar ns_scalar_bool(bint value)
    ns_scalar ns_scalar_int(int64_t value)
    ns_scalar ns_scalar_double(double value)
    void ns_otlp_value_scalar(ns_buf *buf, uint8_t tag, const ns_scalar *value)
    size_t ns_otlp_value_text(ns_buf *buf, uint8_t tag, const ns_text *value)
    void ns_otlp_value_bytes(ns_buf *buf, uint8_t tag, const void *data, size_t size)
    ns_container ns_otlp_array_open(ns_buf *buf, uint8_t tag)
    ns_container ns_otlp_kvlist_open(ns_buf *buf, uint8_t tag)
    void ns_otlp_container_close(ns_buf *buf, ns_container container)
    size_t ns_otlp_key_value_scalar(ns_buf *buf, uint8_t tag, const ns_text *key, const ns_scalar *value)
    size_t ns_otlp_key_value_text(ns_buf *buf, uint8_t tag, const ns_text *key, const ns_text *value)
    ns_mark ns_otlp_key_value_open(ns_buf *buf, uint8_t tag, const ns_text *key, size_t *replaced)
    size_t ns_otlp_span_begin(ns_buf *buf, const ns_span_head *head)
    void ns_otlp_span_attributes_end(ns_buf *buf, uint32_t dropped)
    void ns_otlp_span_events_end(ns_buf *buf, uint32_t dropped)
    size_t ns_otlp_span_end(ns_buf *buf, const ns_span_tail *tail)
    ns_mark ns_otlp_event_begin(ns_buf *buf, uint64_t time, const ns_text *name, size_t *replaced)
    void ns_otlp_event_end(ns_buf *buf, ns_mark event, uint32_t dropped_attributes)
    ns_mark ns_otlp_link_begin(ns_buf *buf, const uint8_t *trace_id, const uint8_t *span_id,
                               const ns_text *trace_state, size_t *replaced)
    void ns_otlp_link_end(ns_buf *buf, ns_mark link, uint32_t dropped_attributes, uint32_t flags)
    ns_mark ns_otlp_resource_open(ns_buf *buf)
    ns_mark ns_otlp_scope_open(ns_buf *buf, const ns_text *name, const ns_text *version, size_t *replaced)
    size_t ns_otlp_schema_url(ns_buf *buf, const ns_text *url)

cdef extern from "encoding/ns_record.h" nogil:
    ctypedef struct ns_record:
        const uint8_t *data
        uint32_t size
        uint32_t source

cdef extern from "encoding/ns_frame.h" nogil:
    ctypedef struct ns_slice:
        const uint8_t *data
        size_t size

    ctypedef struct ns_source:
        uint32_t resource_id
        uint32_t scope_id
        ns_slice resource_head
        ns_slice resource_tail
        ns_slice scope_head
        ns_slice scope_tail

    int ns_frame(const ns_record *records, size_t count, const ns_source **sources, uint8_t **body,
                 size_t *size, ns_record *framed)
    void ns_frame_free(uint8_t *body)

cdef extern from "encoding/ns_source_slots.h":
    ctypedef struct ns_source_slot:
        pass

    bint ns_source_slot_take(ns_source_slot *slot, const void *resource, const void *scope) nogil
    void ns_source_slot_retain(ns_source_slot *slot) nogil
    void ns_source_slot_release(ns_source_slot *slot) nogil
    void ns_source_slot_fill(ns_source_slot *slot, const void *resource, const void *scope) nogil
    void ns_source_slot_open(ns_source_slot *slot) nogil
    bint ns_source_slot_close(ns_source_slot *slot) nogil
