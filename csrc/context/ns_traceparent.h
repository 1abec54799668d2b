/* The W3C `traceparent` header, parsed and formatted by pure functions on bytes: no allocation, no state, no locale.
 *
 *      blanks? 00 - 0af7651916cd43dd8448eb211c80319c - b7ad6b7169203331 - 01 [- anything]  or  [blanks]
 *      version      trace id, 32 digits                span id, 16        flags
 *
 * Digits are lower-case hex. The parser accepts the same headers as the propagator of OpenTelemetry's Python API: those of
 * the specification (https://www.w3.org/TR/trace-context-2/#traceparent-header), and in addition blanks and tabs around the
 * header and one line feed at its end.
 */
#ifndef NS_TRACEPARENT_H
#define NS_TRACEPARENT_H

#include "base/ns_base.h"

#define NS_TRACEPARENT_LENGTH     55  /* length of a formatted header, and the minimum length that the parser accepts */
#define NS_TRACEPARENT_MAX_LENGTH 512 /* longer headers are rejected without parsing */

typedef struct {
    uint64_t trace_id_high;
    uint64_t trace_id_low;
    uint64_t span_id;
    uint8_t flags;
} ns_traceparent;

/* ---- eight hex digits at a time, as one word whose lowest byte is the first digit ---- */

/* Converts each byte, a value from 0 to 15, to its hex digit. */
static inline uint64_t ns_hex_digits(uint64_t values) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t letters = (values + 6 * ones) >> 4 & ones; /* 1 where the value is 10 or more */
    return values + '0' * ones + ('a' - '0' - 10) * letters;
}

/* Parses eight digits. Returns false if one of them is not a lower-case hex digit; *number is then unspecified. */
static inline bool ns_hex_read(uint64_t digits, uint32_t *number) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    /* Correct for digits. Any other byte gives some value below 16, whose own digit differs from the byte. */
    uint64_t values = ((digits & 0xf * ones) + 9 * (digits >> 6 & ones)) & 0xf * ones;
    bool legal = ns_hex_digits(values) == digits;
    values = __builtin_bswap64(values);
    values = (values | values >> 4) & UINT64_C(0x00ff00ff00ff00ff);
    values = (values | values >> 8) & UINT64_C(0x0000ffff0000ffff);
    *number = (uint32_t)(values | values >> 16);
    return legal;
}

static inline uint64_t ns_hex_write(uint32_t number) {
    uint64_t values = number;
    values = (values | values << 16) & UINT64_C(0x0000ffff0000ffff);
    values = (values | values << 8) & UINT64_C(0x00ff00ff00ff00ff);
    values = (values | values << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return ns_hex_digits(__builtin_bswap64(values));
}

static inline bool ns_hex_read16(const char *text, uint64_t *number) {
    uint32_t high, low;
    bool legal = ns_hex_read(ns_load_u64(text), &high) & ns_hex_read(ns_load_u64(text + 8), &low);
    *number = (uint64_t)high << 32 | low;
    return legal;
}

static inline void ns_hex_write16(char *text, uint64_t number) {
    ns_store_u64(text, ns_hex_write((uint32_t)(number >> 32)));
    ns_store_u64(text + 8, ns_hex_write((uint32_t)number));
}

static inline bool ns_hex_read2(const char *text, uint8_t *number) {
    uint32_t wide;
    bool legal = ns_hex_read(
        UINT64_C(0x303030303030) | (uint64_t)(unsigned char)text[0] << 48 | (uint64_t)(unsigned char)text[1] << 56, &wide);
    *number = (uint8_t)wide;
    return legal;
}

static inline void ns_hex_write2(char *text, uint8_t number) {
    uint64_t digits = ns_hex_write(number);
    text[0] = (char)(digits >> 48);
    text[1] = (char)(digits >> 56);
}

/* ---- the header ---- */

static inline bool ns_is_blank(char c) { return c == ' ' || c == '\t'; }

/* Whether `rest` may follow the flags. Only future versions may have more fields. */
static inline bool ns_traceparent_may_end_with(const char *rest, size_t length, uint8_t version) {
    if (length && rest[length - 1] == '\n') length--;
    if (length == 0) return true;
    if (rest[0] == '-') return version != 0 && !__builtin_memchr(rest, '\n', length);
    for (size_t i = 0; i < length; i++)
        if (!ns_is_blank(rest[i])) return false;
    return true;
}

/* Parses a header of exactly `length` bytes. Returns false and leaves *parsed unchanged if the header is malformed or too
 * long, has version ff, or has a trace id or span id of zero. */
static inline bool ns_traceparent_read(const char *text, size_t length, ns_traceparent *parsed) {
    if (length > NS_TRACEPARENT_MAX_LENGTH) return false;
    while (length && ns_is_blank(*text)) {
        text++;
        length--;
    }
    if (length < NS_TRACEPARENT_LENGTH) return false;
    if (text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
    uint8_t version;
    ns_traceparent found;
    if (!ns_hex_read2(text, &version) || version == 0xff) return false;
    if (!ns_hex_read16(text + 3, &found.trace_id_high) || !ns_hex_read16(text + 19, &found.trace_id_low)) return false;
    if (!ns_hex_read16(text + 36, &found.span_id) || !ns_hex_read2(text + 53, &found.flags)) return false;
    if (!(found.trace_id_high | found.trace_id_low) || !found.span_id) return false;
    const char *rest = text + NS_TRACEPARENT_LENGTH;
    if (!ns_traceparent_may_end_with(rest, length - NS_TRACEPARENT_LENGTH, version)) return false;
    *parsed = found;
    return true;
}

/* Formats a header of version 00 without a terminating zero byte. Ids of zero are written unchanged. */
static inline void ns_traceparent_write(char text[NS_TRACEPARENT_LENGTH], uint64_t trace_id_high, uint64_t trace_id_low,
                                        uint64_t span_id, uint8_t flags) {
    text[0] = text[1] = '0';
    text[2] = text[35] = text[52] = '-';
    ns_hex_write16(text + 3, trace_id_high);
    ns_hex_write16(text + 19, trace_id_low);
    ns_hex_write16(text + 36, span_id);
    ns_hex_write2(text + 53, flags);
}

#endif
