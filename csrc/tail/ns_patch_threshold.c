#include "tail/ns_patch_threshold.h"

#include <string.h>

#include "sampling/ns_ot.h"
#include "encoding/ns_wire.h"

#define TAG_TRACE_ID    NS_TAG(1, NS_WIRE_BYTES)
#define TAG_SPAN_ID     NS_TAG(2, NS_WIRE_BYTES)
#define TAG_TRACE_STATE NS_TAG(3, NS_WIRE_BYTES)

/* The field trace_state or its insertion point: field [field, rest), text [text, rest). */
typedef struct place {
    size_t field, text, rest;
} place;

/* Reads the length after a tag and moves *at past it. Returns false if the field reaches beyond the span. */
static inline bool read_length(const uint8_t *span, size_t size, size_t *at, size_t *length) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && *at < size; shift += 7) {
        uint8_t byte = span[(*at)++];
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *length = (size_t)value;
            return value <= size - *at;
        }
    }
    return false;
}

static inline bool find_place(const uint8_t *span, size_t size, place *found) {
    size_t at = 0, length;
    while (at < size && (span[at] == TAG_TRACE_ID || span[at] == TAG_SPAN_ID)) {
        at++;
        if (!read_length(span, size, &at, &length)) return false;
        at += length;
    }
    found->field = found->text = found->rest = at;
    if (at == size || span[at] != TAG_TRACE_STATE) return true;
    at++;
    if (!read_length(span, size, &at, &length)) return false;
    found->text = at;
    found->rest = at + length;
    return true;
}

static inline size_t copy(const uint8_t *span, size_t size, uint8_t *out) {
    if (size) memcpy(out, span, size);
    return size;
}

#define STAYS (-2)

/* Computes the new `ot` value (old_size 0: no old value). Returns the result of ns_ot_write, or STAYS if nothing changes. */
static inline int new_value(const char *old, size_t old_size, int action, uint64_t threshold, char *value) {
    ns_ot ot;
    bool legal = ns_ot_read(old, old_size, &ot);
    if (action == NS_TH_RAISE) {
        if (ot.has_threshold && ot.threshold >= threshold) return STAYS;
        return ns_ot_write(old, old_size, threshold, NS_OT_NONE, value);
    }
    if (!legal) return STAYS;
    int size = ns_ot_write(old, old_size, NS_OT_NONE, NS_OT_NONE, value);
    return (size_t)size == old_size ? STAYS : size;
}

size_t ns_patch_threshold_span(const uint8_t *span, size_t size, int action, uint64_t threshold, uint8_t *out,
                               uint64_t *unchanged) {
    if (action == NS_TH_LEAVE) return copy(span, size, out);
    place state;
    if (!find_place(span, size, &state)) {
        ++*unchanged;
        return copy(span, size, out);
    }
    const char *header = (const char *)span + state.text, *old = NULL;
    size_t header_size = state.rest - state.text, old_size = 0;
    ns_ot_find(header, header_size, &old, &old_size);
    char value[NS_OT_MAX_LENGTH];
    int value_size = new_value(old, old_size, action, threshold, value);
    if (value_size < 0) {
        *unchanged += value_size != STAYS;
        return copy(span, size, out);
    }
    uint8_t *field = out + copy(span, state.field, out);
    /* The new length usually takes as many bytes as the old one. */
    size_t guess = ns_varint_size(header_size);
    size_t length = ns_ot_in_header(header, header_size, value, (size_t)value_size, (char *)field + 1 + guess);
    uint8_t *rest = field;
    if (length) {
        size_t head = 1 + ns_varint_size(length);
        if (head != 1 + guess) memmove(field + head, field + 1 + guess, length);
        *field = TAG_TRACE_STATE;
        ns_varint_write(field + 1, length);
        rest = field + head + length;
    }
    return (size_t)(rest - out) + copy(span + state.rest, size - state.rest, rest);
}
