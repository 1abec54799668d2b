/* Sampling decisions as pure functions: no state, no allocation, no locale.
 *
 * Two rules exist side by side, because a fleet that mixes them for one ratio splits traces:
 *
 *   ratio      TraceIdRatioBased of the OpenTelemetry SDKs: keep if the LOW 64 bits of the trace id are less than a bound.
 *              Keeps the low end; writes nothing to tracestate.
 *   threshold  OpenTelemetry's tracestate probability sampling ("consistent", 56 bits): keep if R >= T. R is the `rv` of
 *              tracestate or the low 56 bits of the trace id, T is the rejection threshold `th`. Keeps the high end. One
 *              kept span represents 2^56 / (2^56 - T) spans.
 */
#ifndef NS_THRESHOLD_H
#define NS_THRESHOLD_H

#include "base/ns_base.h"

/* ---- ratio: the low 64 bits against a bound ---- */

/* A bound is an integer in [0, 2^64]. 2^64 (ratio 1) does not fit into 64 bits. */
typedef struct {
    uint64_t bound; /* keep below this; unused if `always` is set */
    bool always;    /* the bound is 2^64 */
} ns_ratio;

static inline bool ns_ratio_keeps(ns_ratio ratio, uint64_t trace_id_low) {
    return ratio.always || trace_id_low < ratio.bound;
}

/* ---- threshold: 56 bits, R >= T ---- */

#define NS_THRESHOLD_DIGITS         14                  /* hex digits of a full 56-bit value */
#define NS_THRESHOLD_LIMIT          (UINT64_C(1) << 56) /* one more than the largest R and the largest T */
#define NS_THRESHOLD_ROUNDED_DIGITS 12                  /* maximum digits of a rounded threshold */

/* R of a trace without an `rv`: the least significant seven bytes of its id. */
static inline uint64_t ns_randomness_of_trace(uint64_t trace_id_low) { return trace_id_low & (NS_THRESHOLD_LIMIT - 1); }

/* Keeps on equality. Both arguments are below NS_THRESHOLD_LIMIT. */
static inline bool ns_threshold_keeps(uint64_t randomness, uint64_t threshold) { return randomness >= threshold; }

/* Parses lower-case hex only. strtoull and similar functions also accept signs, blanks, 0x and upper case, all illegal
 * here. */
static inline bool ns_threshold_hex(const char *text, size_t length, uint64_t *value) {
    uint64_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        unsigned digit;
        if (c >= '0' && c <= '9') digit = c - '0';
        else if (c >= 'a' && c <= 'f') digit = c - 'a' + 10u;
        else return false;
        sum = sum << 4 | digit;
    }
    *value = sum;
    return true;
}

/* Parses the value of `th`: 1 to 14 lower-case hex digits with omitted trailing zeros; explicit trailing zeros are legal.
 * Returns false and leaves *threshold unchanged for anything else. */
static inline bool ns_threshold_decode(const char *text, size_t length, uint64_t *threshold) {
    uint64_t digits;
    if (length < 1 || length > NS_THRESHOLD_DIGITS || !ns_threshold_hex(text, length, &digits)) return false;
    *threshold = digits << 4 * (NS_THRESHOLD_DIGITS - length);
    return true;
}

/* Parses the value of `rv`: exactly 14 lower-case hex digits. Returns false and leaves *randomness unchanged otherwise. */
static inline bool ns_randomness_decode(const char *text, size_t length, uint64_t *randomness) {
    return length == NS_THRESHOLD_DIGITS && ns_threshold_hex(text, length, randomness);
}

/* Writes the shortest `th` of a threshold, without a terminating zero byte, and returns its length, 1 to 14. For a threshold
 * of 2^56 or more, which means "off" and has no `th`, writes nothing and returns 0. */
static inline size_t ns_threshold_encode(uint64_t threshold, char text[NS_THRESHOLD_DIGITS]) {
    if (threshold >= NS_THRESHOLD_LIMIT) return 0;
    size_t length = 0;
    /* Digits from the left until only zeros remain: leading zeros are significant, trailing zeros are not. */
    do {
        text[length++] = "0123456789abcdef"[threshold >> 52 & 0xf];
        threshold = threshold << 4 & (NS_THRESHOLD_LIMIT - 1);
    } while (threshold != 0);
    return length;
}

/* Rounds half up to a number of leading hex digits (1 to 14). If the result would be 2^56, returns the largest threshold
 * with that many digits, so that a probability above zero never becomes "off". */
static inline uint64_t ns_threshold_round(uint64_t threshold, unsigned digits) {
    if (digits >= NS_THRESHOLD_DIGITS) return threshold;
    uint64_t unit = UINT64_C(1) << 4 * (NS_THRESHOLD_DIGITS - digits);
    uint64_t rounded = (threshold + unit / 2) & ~(unit - 1);
    return rounded < NS_THRESHOLD_LIMIT ? rounded : NS_THRESHOLD_LIMIT - unit;
}

/* T of a probability p in [2^-56, 1]: 2^56 - p * 2^56, with the product rounded half to even. `precision` is the number of
 * significant hex digits (the specification recommends 4). Each leading `f` adds one digit, up to 12 in total; 14 or more
 * means no rounding. Returns false for a probability outside the range (including NaN) or a precision of 0. Zero is not a
 * probability here; it is "off". */
static inline bool ns_threshold_of_probability(double probability, unsigned precision, uint64_t *threshold) {
    if (!(probability >= 0x1p-56 && probability <= 1.0) || precision == 0) return false;
    double scaled = probability * 0x1p56;
    uint64_t kept = (uint64_t)scaled;
    double rest = scaled - (double)kept;
    if (rest > 0.5 || (rest == 0.5 && (kept & 1))) kept++;
    uint64_t exact = NS_THRESHOLD_LIMIT - kept;
    if (precision >= NS_THRESHOLD_DIGITS) {
        *threshold = exact;
        return true;
    }
    /* The probability is in [2^(exponent-1), 2^exponent), as frexp defines it. Every number in range is normal. */
    int exponent = (int)(ns_load_u64(&probability) >> 52 & 0x7ff) - 1022;
    unsigned leading_f = exponent < 0 ? (unsigned)-exponent / 4 : 0;
    unsigned digits = precision + leading_f;
    if (digits > NS_THRESHOLD_ROUNDED_DIGITS) digits = NS_THRESHOLD_ROUNDED_DIGITS;
    *threshold = ns_threshold_round(exact, digits);
    return true;
}

#endif
