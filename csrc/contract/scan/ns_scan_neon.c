#include "contract/scan/ns_scan_simd.h"

#if NS_SCAN_NEON

#include <arm_neon.h>

static inline uint8x16_t kinds_16(const ns_scan_tables *tables, unsigned place, uint8x16_t bytes) {
    uint8x16_t low = vld1q_u8(tables->half[place][0]), high = vld1q_u8(tables->half[place][1]);
    return vandq_u8(vqtbl1q_u8(low, vandq_u8(bytes, vdupq_n_u8(15))), vqtbl1q_u8(high, vshrq_n_u8(bytes, 4)));
}

/* A bit for each byte of which all bits are set. */
static inline uint32_t bits_of(uint8x16_t mask) {
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t weighed = vandq_u8(mask, vld1q_u8(weights));
    return (uint32_t)vaddv_u8(vget_low_u8(weighed)) | (uint32_t)vaddv_u8(vget_high_u8(weighed)) << 8;
}

static inline uint32_t digits_16(const uint8_t *at) {
    return bits_of(vcleq_u8(vsubq_u8(vld1q_u8(at), vdupq_n_u8('0')), vdupq_n_u8(9)));
}

static inline uint8x16_t found_16(const ns_scan_tables *tables, const uint8_t *at) {
    uint8x16_t first = kinds_16(tables, 0, vld1q_u8(at)), second = kinds_16(tables, 1, vld1q_u8(at + 1));
    return vandq_u8(vandq_u8(first, second), kinds_16(tables, 2, vld1q_u8(at + 2)));
}

static inline uint32_t starts_16(const ns_scan_tables *tables, const uint8_t *at) {
    uint8x16_t found = found_16(tables, at);
    return bits_of(vtstq_u8(found, found));
}

/* At most eighteen bytes, in a copy with zeros behind them. A window with such a zero is not one of the text. */
static uint64_t in_copy(const ns_scan_tables *tables, const uint8_t *data, size_t size, uint64_t *runs) {
    uint8_t copy[48] = {0};
    ns_copy_short(copy, data, size);
    *runs = ns_scan_digit_runs(digits_16(copy) | (uint64_t)digits_16(copy + 16) << 16);
    uint64_t starts = starts_16(tables, copy) & ((UINT64_C(1) << (size - 2)) - 1);
    return ns_scan_places(tables, copy, 0, starts);
}

bool ns_scan_next_neon(const ns_scan_tables *tables, ns_scan *scan) {
    size_t at = scan->next, size = scan->size;
    const uint8_t *data = scan->data;
    if (at >= size) return false;
    scan->next = size;
    if (size < NS_SCAN_WINDOW) return false;
    uint64_t seen = scan->seen_digits, runs = 0;
    if (size <= NS_SCAN_COPIED) {
        uint64_t places = in_copy(tables, data, size, &runs);
        return ns_scan_found(scan, 0, places, 0, runs);
    }
    for (; size - at >= 18; at += 16) {
        uint64_t starts = starts_16(tables, data + at), digits = digits_16(data + at);
        seen = seen >> 16 | digits << 48;
        runs = digits ? ns_scan_digit_runs(seen) : 0;
        if (NS_LIKELY((starts | runs) == 0)) continue;
        starts = ns_scan_places(tables, data, at, starts);
        if ((starts | runs) == 0) continue;
        scan->next = at + 16;
        scan->seen_digits = seen;
        return ns_scan_found(scan, at, starts, (int64_t)at - 48, runs);
    }
    size_t last = size - 18, left = size - at; /* at most 17: the last sixteen bytes and one before them */
    uint64_t starts = at - last < 16 ? starts_16(tables, data + last) >> (at - last) << (at - last) : 0;
    uint64_t digits =
        (uint64_t)digits_16(data + size - 16) << 48 | (uint64_t)ns_scan_is_digit(data[size - 17]) << 47 | seen >> left;
    return ns_scan_found(scan, last, ns_scan_places(tables, data, last, starts), (int64_t)size - 64,
                         ns_scan_digit_runs(digits));
}

bool ns_scan_short_neon(const ns_scan_tables *tables, const uint8_t *data, size_t size) {
    ns_scan scan;
    ns_scan_begin(&scan, data, size);
    while (scan.next < size) {
        if (ns_scan_next_neon(tables, &scan)) return true;
    }
    return false;
}

#endif
