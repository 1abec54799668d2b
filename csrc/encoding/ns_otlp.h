/* The OTLP trace messages (opentelemetry-proto trace/v1, common/v1, resource/v1), written forwards into an ns_buf.
 *
 * Fields are written in the order of their numbers and all lengths are canonical, so the bytes equal those of the reference
 * encoder. An unknown length is first assumed to take one byte, which is right for every message below 128 bytes. When a
 * closed message turns out to be longer, its body is shifted by the difference.
 *
 * A message with content that only the caller can iterate (attributes, array elements) is opened, filled and closed:
 *
 *      ns_otlp_span_begin                 fields 1 to 8
 *          ns_otlp_key_value_*            field 9, any number of times
 *      ns_otlp_span_attributes_end        field 10
 *          ns_otlp_event_begin / _end     field 11
 *      ns_otlp_span_events_end            field 12
 *          ns_otlp_link_begin / _end      field 13
 *      ns_otlp_span_end                   fields 14 to 16
 *
 * Code points that UTF-8 cannot encode are replaced (ns_utf8.h). Functions that write a text return the number of replaced
 * code points. A span name, trace state or status message that is too large for the buffer is omitted and counts as one.
 */
#ifndef NS_OTLP_H
#define NS_OTLP_H

#include "encoding/ns_buf.h"
#include "encoding/ns_utf8.h"
#include "encoding/ns_wire.h"

/* Field tags of KeyValue lists, by parent message. */
enum {
    NS_TAG_SPAN_ATTRIBUTE = NS_TAG(9, NS_WIRE_BYTES),
    NS_TAG_EVENT_ATTRIBUTE = NS_TAG(3, NS_WIRE_BYTES),
    NS_TAG_LINK_ATTRIBUTE = NS_TAG(4, NS_WIRE_BYTES),
    NS_TAG_RESOURCE_ATTRIBUTE = NS_TAG(1, NS_WIRE_BYTES),
    NS_TAG_SCOPE_ATTRIBUTE = NS_TAG(3, NS_WIRE_BYTES),
    NS_TAG_KVLIST_VALUE = NS_TAG(1, NS_WIRE_BYTES),
    NS_TAG_ARRAY_VALUE = NS_TAG(1, NS_WIRE_BYTES),
    NS_TAG_KEY_VALUE_VALUE = NS_TAG(2, NS_WIRE_BYTES),
};

/* Bits of Span.flags and Link.flags above the eight W3C bits. */
#define NS_FLAGS_W3C_MASK      0xFFu
#define NS_FLAGS_HAS_IS_REMOTE 0x100u
#define NS_FLAGS_IS_REMOTE     0x200u

/* --- open messages ------------------------------------------------------------------------------------------- */

/* Offset of an open message's payload. */
typedef size_t ns_mark;

static inline ns_mark ns_otlp_open(ns_buf *buf, uint8_t tag) {
    uint8_t *out = ns_buf_room(buf, 2);
    if (out) {
        out[0] = tag;
        out[1] = 0;
        buf->len += 2;
    }
    return buf->len;
}

/* Shifts the payload to make room for a length of more than one byte. */
void ns_otlp_close_long(ns_buf *buf, ns_mark mark, size_t length);

static inline void ns_otlp_close(ns_buf *buf, ns_mark mark) {
    if (NS_UNLIKELY(buf->failed)) return;
    size_t length = buf->len - mark;
    if (NS_LIKELY(length < 0x80)) buf->data[mark - 1] = (uint8_t)length;
    else ns_otlp_close_long(buf, mark, length);
}

/* --- values -------------------------------------------------------------------------------------------------- */

/* The encoded AnyValue of a scalar: at most a tag and a varint of ten bytes. */
typedef struct ns_scalar {
    uint8_t bytes[1 + NS_VARINT_MAX];
    uint8_t size;
} ns_scalar;

static inline ns_scalar ns_scalar_empty(void) { return (ns_scalar){.size = 0}; }

static inline ns_scalar ns_scalar_bool(bool value) {
    return (ns_scalar){.bytes = {NS_TAG(2, NS_WIRE_VARINT), value}, .size = 2};
}

static inline ns_scalar ns_scalar_int(int64_t value) {
    ns_scalar scalar;
    scalar.bytes[0] = NS_TAG(3, NS_WIRE_VARINT);
    scalar.size = (uint8_t)(ns_varint_write(scalar.bytes + 1, (uint64_t)value) - scalar.bytes);
    return scalar;
}

static inline ns_scalar ns_scalar_double(double value) {
    ns_scalar scalar = {.bytes = {NS_TAG(4, NS_WIRE_FIXED64)}, .size = 9};
    __builtin_memcpy(scalar.bytes + 1, &value, sizeof value);
    return scalar;
}

/* Writes an AnyValue as a field of its parent: an array element (NS_TAG_ARRAY_VALUE) or the value of an open KeyValue. */
void ns_otlp_value_scalar(ns_buf *buf, uint8_t tag, const ns_scalar *value);
size_t ns_otlp_value_text(ns_buf *buf, uint8_t tag, const ns_text *value);
void ns_otlp_value_bytes(ns_buf *buf, uint8_t tag, const void *bytes, size_t size);

/* A container: an AnyValue and its ArrayValue or KeyValueList, which are opened and closed together. */
typedef struct ns_container {
    ns_mark value;
    ns_mark list;
} ns_container;

ns_container ns_otlp_array_open(ns_buf *buf, uint8_t tag);
ns_container ns_otlp_kvlist_open(ns_buf *buf, uint8_t tag);
void ns_otlp_container_close(ns_buf *buf, ns_container container);

/* --- attributes ---------------------------------------------------------------------------------------------- */

/* Most pairs are short and ASCII. Each of their lengths takes one byte and the total size is known in advance, so they are
 * written in place. All others go through ns_otlp_any_key_value_*. */
#define NS_SHORT_PAIR 0x80

static inline bool ns_otlp_is_short_pair(const ns_text *key, size_t value_size) {
    return key->width == NS_TEXT_UTF8 && key->length && key->length < NS_SHORT_PAIR &&
           4 + key->length + value_size < NS_SHORT_PAIR;
}

/* Writes { key = text, value = AnyValue of `value_size` bytes } up to the content of the value. */
static inline uint8_t *ns_otlp_short_pair_head(uint8_t *out, uint8_t tag, const ns_text *key, size_t value_size) {
    out[0] = tag;
    out[1] = (uint8_t)(4 + key->length + value_size);
    out[2] = NS_TAG(1, NS_WIRE_BYTES);
    out[3] = (uint8_t)key->length;
    ns_utf8_copy(key, out + 4);
    out += 4 + key->length;
    out[0] = NS_TAG_KEY_VALUE_VALUE;
    out[1] = (uint8_t)value_size;
    return out + 2;
}

size_t ns_otlp_any_key_value_scalar(ns_buf *buf, uint8_t tag, const ns_text *key, const ns_scalar *value);
size_t ns_otlp_any_key_value_text(ns_buf *buf, uint8_t tag, const ns_text *key, const ns_text *value);

/* Writes a complete KeyValue. `tag` selects the list that it belongs to. On failure nothing is written. */
static inline size_t ns_otlp_key_value_scalar(ns_buf *buf, uint8_t tag, const ns_text *key, const ns_scalar *value) {
    if (NS_UNLIKELY(!ns_otlp_is_short_pair(key, value->size))) return ns_otlp_any_key_value_scalar(buf, tag, key, value);
    uint8_t *out = ns_buf_room(buf, 6 + key->length + value->size);
    if (NS_UNLIKELY(!out)) return 0;
    out = ns_otlp_short_pair_head(out, tag, key, value->size);
    if (value->size > sizeof value->bytes) __builtin_unreachable(); /* for the compiler: bounds the copy below */
    ns_copy_short(out, value->bytes, value->size);
    buf->len = (size_t)(out + value->size - buf->data);
    return 0;
}

static inline size_t ns_otlp_key_value_text(ns_buf *buf, uint8_t tag, const ns_text *key, const ns_text *value) {
    if (NS_UNLIKELY(value->width != NS_TEXT_UTF8 || value->length >= NS_SHORT_PAIR ||
                    !ns_otlp_is_short_pair(key, 2 + value->length)))
        return ns_otlp_any_key_value_text(buf, tag, key, value);
    uint8_t *out = ns_buf_room(buf, 8 + key->length + value->length);
    if (NS_UNLIKELY(!out)) return 0;
    out = ns_otlp_short_pair_head(out, tag, key, 2 + value->length);
    out[0] = NS_TAG(1, NS_WIRE_BYTES);
    out[1] = (uint8_t)value->length;
    ns_utf8_copy(value, out + 2);
    buf->len = (size_t)(out + 2 + value->length - buf->data);
    return 0;
}

/* Opens a KeyValue. The caller then writes the value with NS_TAG_KEY_VALUE_VALUE and calls ns_otlp_close. */
ns_mark ns_otlp_key_value_open(ns_buf *buf, uint8_t tag, const ns_text *key, size_t *replaced);

/* --- spans --------------------------------------------------------------------------------------------------- */

/* Room that a span's buffer needs above its limit for the fields after the attributes. Their maximum: three dropped counts
 * of 6 bytes, tag and length of the status (6), its code (2) and the flags (6). */
#define NS_OTLP_FIXED_ROOM 64

typedef struct ns_span_head {
    uint8_t trace_id[16]; /* big-endian */
    uint8_t span_id[8];
    uint8_t parent_span_id[8];
    bool has_parent;
    uint8_t kind; /* opentelemetry.proto.trace.v1.Span.SpanKind */
    uint64_t start_time;
    uint64_t end_time; /* nanoseconds since the epoch */
    ns_text trace_state;
    ns_text name;
} ns_span_head;

size_t ns_otlp_span_begin(ns_buf *buf, const ns_span_head *head);
void ns_otlp_span_attributes_end(ns_buf *buf, uint32_t dropped);
void ns_otlp_span_events_end(ns_buf *buf, uint32_t dropped);

typedef struct ns_span_tail {
    uint32_t dropped_links;
    uint32_t flags;
    bool has_status;
    uint8_t status_code;
    ns_text status_message;
} ns_span_tail;

size_t ns_otlp_span_end(ns_buf *buf, const ns_span_tail *tail);

ns_mark ns_otlp_event_begin(ns_buf *buf, uint64_t time, const ns_text *name, size_t *replaced);
void ns_otlp_event_end(ns_buf *buf, ns_mark event, uint32_t dropped_attributes);

ns_mark ns_otlp_link_begin(ns_buf *buf, const uint8_t trace_id[16], const uint8_t span_id[8], const ns_text *trace_state,
                           size_t *replaced);
void ns_otlp_link_end(ns_buf *buf, ns_mark link, uint32_t dropped_attributes, uint32_t flags);

/* --- resource and scope: the parts of a batch that its spans share ------------------------------------------- */

/* Complete fields of their parents (ResourceSpans.resource, ScopeSpans.scope): open, write attributes, ns_otlp_close. */
ns_mark ns_otlp_resource_open(ns_buf *buf);
ns_mark ns_otlp_scope_open(ns_buf *buf, const ns_text *name, const ns_text *version, size_t *replaced);

/* ResourceSpans.schema_url and ScopeSpans.schema_url have the same field number. An empty text writes nothing. */
size_t ns_otlp_schema_url(ns_buf *buf, const ns_text *url);

#endif
