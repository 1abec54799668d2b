/* Protocol Buffers wire format: varints, tags and their sizes. */
#ifndef NS_WIRE_H
#define NS_WIRE_H

#include "base/ns_base.h"

enum { NS_WIRE_VARINT = 0, NS_WIRE_FIXED64 = 1, NS_WIRE_BYTES = 2, NS_WIRE_FIXED32 = 5 };

/* A tag of one byte, for field numbers 1 to 15. The only larger number in OTLP is Span.flags (see ns_otlp.c). */
#define NS_TAG(field, wire_type) ((uint8_t)(((field) << 3) | (wire_type)))

#define NS_VARINT_MAX 10

/* ceil(bits / 7) without a division: 9/64 is slightly more than 1/7 for up to 64 bits. Zero takes one byte, hence `| 1`. */
static inline size_t ns_varint_size(uint64_t value) {
    unsigned bits = 64u - (unsigned)__builtin_clzll(value | 1);
    return (bits * 9 + 64) / 64;
}

static inline uint8_t *ns_varint_write(uint8_t *out, uint64_t value) {
    while (value >= 0x80) {
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

/* Size of a length-delimited field with a tag of one byte. */
static inline size_t ns_delimited_size(size_t length) { return 1 + ns_varint_size(length) + length; }

#endif
