#include "encoding/ns_otlp.h"

#include <string.h>

/* --- single fields ------------------------------------------------------------------------------------------- */

static inline uint8_t *write_head(uint8_t *out, uint8_t tag, size_t length) {
    *out++ = tag;
    return ns_varint_write(out, length);
}

/* A string field. proto3 omits it when empty. */
static size_t put_text(ns_buf *buf, uint8_t tag, const ns_text *text) {
    if (text->length == 0) return 0;
    size_t size = ns_utf8_size(text);
    uint8_t *out = ns_buf_room(buf, ns_delimited_size(size));
    if (!out) return 0;
    out = write_head(out, tag, size);
    size_t replaced = ns_utf8_write(text, out);
    buf->len = (size_t)(out + size - buf->data);
    return replaced;
}

static void put_bytes(ns_buf *buf, uint8_t tag, const void *bytes, size_t size) {
    uint8_t *out = ns_buf_room(buf, ns_delimited_size(size));
    if (!out) return;
    out = write_head(out, tag, size);
    if (size) memcpy(out, bytes, size);
    buf->len = (size_t)(out + size - buf->data);
}

static void put_varint(ns_buf *buf, uint8_t tag, uint64_t value) {
    if (value == 0) return;
    uint8_t *out = ns_buf_room(buf, 1 + NS_VARINT_MAX);
    if (!out) return;
    buf->len = (size_t)(write_head(out, tag, value) - buf->data);
}

static void put_fixed64(ns_buf *buf, uint8_t tag, uint64_t value) {
    if (value == 0) return;
    uint8_t *out = ns_buf_room(buf, 9);
    if (!out) return;
    out[0] = tag;
    ns_store_u64(out + 1, value);
    buf->len += 9;
}

void ns_otlp_close_long(ns_buf *buf, ns_mark mark, size_t length) {
    size_t shift = ns_varint_size(length) - 1;
    if (!ns_buf_room(buf, shift)) return;
    uint8_t *payload = buf->data + mark;
    memmove(payload + shift, payload, length);
    ns_varint_write(payload - 1, length);
    buf->len += shift;
}

/* --- values -------------------------------------------------------------------------------------------------- */

void ns_otlp_value_scalar(ns_buf *buf, uint8_t tag, const ns_scalar *value) {
    put_bytes(buf, tag, value->bytes, value->size);
}

/* AnyValue { string_value = text }. A member of a oneof is written even when it is empty. */
size_t ns_otlp_value_text(ns_buf *buf, uint8_t tag, const ns_text *value) {
    size_t text_size = ns_utf8_size(value);
    size_t value_size = ns_delimited_size(text_size);
    uint8_t *out = ns_buf_room(buf, ns_delimited_size(value_size));
    if (!out) return 0;
    out = write_head(out, tag, value_size);
    out = write_head(out, NS_TAG(1, NS_WIRE_BYTES), text_size);
    size_t replaced = ns_utf8_write(value, out);
    buf->len = (size_t)(out + text_size - buf->data);
    return replaced;
}

void ns_otlp_value_bytes(ns_buf *buf, uint8_t tag, const void *bytes, size_t size) {
    size_t value_size = ns_delimited_size(size);
    uint8_t *out = ns_buf_room(buf, ns_delimited_size(value_size));
    if (!out) return;
    buf->len = (size_t)(write_head(out, tag, value_size) - buf->data);
    put_bytes(buf, NS_TAG(7, NS_WIRE_BYTES), bytes, size);
}

static ns_container open_container(ns_buf *buf, uint8_t tag, uint8_t list_tag) {
    ns_container container;
    container.value = ns_otlp_open(buf, tag);
    container.list = ns_otlp_open(buf, list_tag);
    return container;
}

ns_container ns_otlp_array_open(ns_buf *buf, uint8_t tag) { return open_container(buf, tag, NS_TAG(5, NS_WIRE_BYTES)); }

ns_container ns_otlp_kvlist_open(ns_buf *buf, uint8_t tag) { return open_container(buf, tag, NS_TAG(6, NS_WIRE_BYTES)); }

void ns_otlp_container_close(ns_buf *buf, ns_container container) {
    ns_otlp_close(buf, container.list);
    ns_otlp_close(buf, container.value);
}

/* --- attributes ---------------------------------------------------------------------------------------------- */

static inline size_t key_field_size(size_t key_size) { return key_size ? ns_delimited_size(key_size) : 0; }

static inline uint8_t *write_key(uint8_t *out, const ns_text *key, size_t key_size, size_t *replaced) {
    if (key_size == 0) return out;
    out = write_head(out, NS_TAG(1, NS_WIRE_BYTES), key_size);
    *replaced += ns_utf8_write(key, out);
    return out + key_size;
}

size_t ns_otlp_any_key_value_scalar(ns_buf *buf, uint8_t tag, const ns_text *key, const ns_scalar *value) {
    size_t key_size = ns_utf8_size(key), replaced = 0;
    size_t pair_size = key_field_size(key_size) + 2u + value->size;
    uint8_t *out = ns_buf_room(buf, ns_delimited_size(pair_size));
    if (!out) return 0;
    out = write_head(out, tag, pair_size);
    out = write_key(out, key, key_size, &replaced);
    out[0] = NS_TAG_KEY_VALUE_VALUE;
    out[1] = value->size;
    memcpy(out + 2, value->bytes, value->size);
    buf->len = (size_t)(out + 2 + value->size - buf->data);
    return replaced;
}

size_t ns_otlp_any_key_value_text(ns_buf *buf, uint8_t tag, const ns_text *key, const ns_text *value) {
    size_t key_size = ns_utf8_size(key), text_size = ns_utf8_size(value), replaced = 0;
    size_t value_size = ns_delimited_size(text_size);
    size_t pair_size = key_field_size(key_size) + ns_delimited_size(value_size);
    uint8_t *out = ns_buf_room(buf, ns_delimited_size(pair_size));
    if (!out) return 0;
    out = write_head(out, tag, pair_size);
    out = write_key(out, key, key_size, &replaced);
    out = write_head(out, NS_TAG_KEY_VALUE_VALUE, value_size);
    out = write_head(out, NS_TAG(1, NS_WIRE_BYTES), text_size);
    replaced += ns_utf8_write(value, out);
    buf->len = (size_t)(out + text_size - buf->data);
    return replaced;
}

ns_mark ns_otlp_key_value_open(ns_buf *buf, uint8_t tag, const ns_text *key, size_t *replaced) {
    ns_mark mark = ns_otlp_open(buf, tag);
    *replaced += put_text(buf, NS_TAG(1, NS_WIRE_BYTES), key);
    return mark;
}

/* --- spans --------------------------------------------------------------------------------------------------- */

/* If a text does not fit, only that text is lost, not the span. `reserve` bytes must still fit after it. */
static size_t put_text_if_it_fits(ns_buf *buf, uint8_t tag, const ns_text *text, size_t reserve) {
    if (text->length == 0) return 0;
    size_t needed = ns_delimited_size(ns_utf8_size(text)) + reserve;
    if (!buf->failed && needed > buf->limit - buf->len) return 1;
    return put_text(buf, tag, text);
}

/* Mandatory fields of a span may use room above the limit that attributes, events and links obey. */
static inline void limit_raise(ns_buf *buf) { buf->limit += NS_OTLP_FIXED_ROOM; }

static inline void limit_restore(ns_buf *buf) {
    buf->limit -= NS_OTLP_FIXED_ROOM;
    /* Take back unused room above the limit, because ns_buf_room checks only `cap` before it grows. */
    size_t max = buf->len > buf->limit ? buf->len : buf->limit;
    if (buf->cap > max) buf->cap = max;
}

static void put_dropped_count(ns_buf *buf, uint8_t tag, uint32_t dropped) {
    if (dropped == 0) return;
    limit_raise(buf);
    put_varint(buf, tag, dropped);
    limit_restore(buf);
}

size_t ns_otlp_span_begin(ns_buf *buf, const ns_span_head *head) {
    put_bytes(buf, NS_TAG(1, NS_WIRE_BYTES), head->trace_id, sizeof head->trace_id);
    put_bytes(buf, NS_TAG(2, NS_WIRE_BYTES), head->span_id, sizeof head->span_id);
    size_t replaced = put_text_if_it_fits(buf, NS_TAG(3, NS_WIRE_BYTES), &head->trace_state, NS_OTLP_FIXED_ROOM);
    if (head->has_parent) put_bytes(buf, NS_TAG(4, NS_WIRE_BYTES), head->parent_span_id, sizeof head->parent_span_id);
    replaced += put_text_if_it_fits(buf, NS_TAG(5, NS_WIRE_BYTES), &head->name, NS_OTLP_FIXED_ROOM);
    put_varint(buf, NS_TAG(6, NS_WIRE_VARINT), head->kind);
    put_fixed64(buf, NS_TAG(7, NS_WIRE_FIXED64), head->start_time);
    put_fixed64(buf, NS_TAG(8, NS_WIRE_FIXED64), head->end_time);
    return replaced;
}

void ns_otlp_span_attributes_end(ns_buf *buf, uint32_t dropped) {
    put_dropped_count(buf, NS_TAG(10, NS_WIRE_VARINT), dropped);
}

void ns_otlp_span_events_end(ns_buf *buf, uint32_t dropped) { put_dropped_count(buf, NS_TAG(12, NS_WIRE_VARINT), dropped); }

static void put_flags_long_tag(ns_buf *buf, uint32_t flags) {
    if (flags == 0) return;
    uint8_t *out = ns_buf_room(buf, 6);
    if (!out) return;
    out[0] = 0x85; /* field 16, fixed32: (16 << 3) | 5 = 133 takes two bytes */
    out[1] = 0x01;
    ns_store_u32(out + 2, flags);
    buf->len += 6;
}

size_t ns_otlp_span_end(ns_buf *buf, const ns_span_tail *tail) {
    size_t replaced = 0;
    put_dropped_count(buf, NS_TAG(14, NS_WIRE_VARINT), tail->dropped_links);
    limit_raise(buf);
    if (tail->has_status) {
        ns_mark status = ns_otlp_open(buf, NS_TAG(15, NS_WIRE_BYTES));
        replaced = put_text_if_it_fits(buf, NS_TAG(2, NS_WIRE_BYTES), &tail->status_message, NS_OTLP_FIXED_ROOM);
        put_varint(buf, NS_TAG(3, NS_WIRE_VARINT), tail->status_code);
        ns_otlp_close(buf, status);
    }
    put_flags_long_tag(buf, tail->flags);
    limit_restore(buf);
    return replaced;
}

ns_mark ns_otlp_event_begin(ns_buf *buf, uint64_t time, const ns_text *name, size_t *replaced) {
    ns_mark event = ns_otlp_open(buf, NS_TAG(11, NS_WIRE_BYTES));
    put_fixed64(buf, NS_TAG(1, NS_WIRE_FIXED64), time);
    *replaced += put_text(buf, NS_TAG(2, NS_WIRE_BYTES), name);
    return event;
}

void ns_otlp_event_end(ns_buf *buf, ns_mark event, uint32_t dropped_attributes) {
    put_varint(buf, NS_TAG(4, NS_WIRE_VARINT), dropped_attributes);
    ns_otlp_close(buf, event);
}

ns_mark ns_otlp_link_begin(ns_buf *buf, const uint8_t trace_id[16], const uint8_t span_id[8], const ns_text *trace_state,
                           size_t *replaced) {
    ns_mark link = ns_otlp_open(buf, NS_TAG(13, NS_WIRE_BYTES));
    put_bytes(buf, NS_TAG(1, NS_WIRE_BYTES), trace_id, 16);
    put_bytes(buf, NS_TAG(2, NS_WIRE_BYTES), span_id, 8);
    *replaced += put_text(buf, NS_TAG(3, NS_WIRE_BYTES), trace_state);
    return link;
}

void ns_otlp_link_end(ns_buf *buf, ns_mark link, uint32_t dropped_attributes, uint32_t flags) {
    put_varint(buf, NS_TAG(5, NS_WIRE_VARINT), dropped_attributes);
    if (flags) {
        uint8_t *out = ns_buf_room(buf, 5);
        if (out) {
            out[0] = NS_TAG(6, NS_WIRE_FIXED32);
            ns_store_u32(out + 1, flags);
            buf->len += 5;
        }
    }
    ns_otlp_close(buf, link);
}

/* --- resource and scope -------------------------------------------------------------------------------------- */

ns_mark ns_otlp_resource_open(ns_buf *buf) { return ns_otlp_open(buf, NS_TAG(1, NS_WIRE_BYTES)); }

ns_mark ns_otlp_scope_open(ns_buf *buf, const ns_text *name, const ns_text *version, size_t *replaced) {
    ns_mark scope = ns_otlp_open(buf, NS_TAG(1, NS_WIRE_BYTES));
    *replaced += put_text(buf, NS_TAG(1, NS_WIRE_BYTES), name);
    *replaced += put_text(buf, NS_TAG(2, NS_WIRE_BYTES), version);
    return scope;
}

size_t ns_otlp_schema_url(ns_buf *buf, const ns_text *url) { return put_text(buf, NS_TAG(3, NS_WIRE_BYTES), url); }
