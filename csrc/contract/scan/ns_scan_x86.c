/* Windows are looked up from three loads that are a byte apart. Texts of up to 30 bytes are held in one register, the first
 * sixteen bytes in one half and the last sixteen in the other; then windows are made by shifts within the halves. */
#include "contract/scan/ns_scan_simd.h"

#if NS_SCAN_X86

#include <immintrin.h>

#define SSSE3 __attribute__((target("ssse3")))
#define AVX2  __attribute__((target("avx2")))

enum { IN_HALF = 16 - NS_SCAN_WINDOW + 1 }; /* windows that lie in one half */

static SSSE3 inline __m128i kinds_16(const ns_scan_tables *tables, unsigned place, __m128i bytes) {
    const __m128i low_half = _mm_set1_epi8(15);
    __m128i low = _mm_load_si128((const __m128i *)tables->half[place][0]);
    __m128i high = _mm_load_si128((const __m128i *)tables->half[place][1]);
    return _mm_and_si128(_mm_shuffle_epi8(low, _mm_and_si128(bytes, low_half)),
                         _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(bytes, 4), low_half)));
}

static SSSE3 inline uint32_t not_zero_16(__m128i found) {
    return 0xFFFF ^ (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(found, _mm_setzero_si128()));
}

static SSSE3 inline uint32_t digits_16(__m128i bytes) {
    __m128i value = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value));
}

static SSSE3 inline __m128i load_16(const uint8_t *from) { return _mm_loadu_si128((const __m128i *)from); }

/* The windows that begin at the first sixteen of eighteen bytes. */
static SSSE3 inline uint32_t starts_16(const ns_scan_tables *tables, const uint8_t *at) {
    __m128i first = kinds_16(tables, 0, load_16(at)), second = kinds_16(tables, 1, load_16(at + 1));
    return not_zero_16(_mm_and_si128(_mm_and_si128(first, second), kinds_16(tables, 2, load_16(at + 2))));
}

/* At most eighteen bytes, in a copy with zeros behind them. A window with such a zero is not one of the text. */
static SSSE3 bool short_text(const ns_scan_tables *tables, ns_scan *scan) {
    size_t size = scan->size;
    uint8_t copy[48] = {0};
    ns_copy_short(copy, scan->data, size);
    scan->next = size;
    if (size < NS_SCAN_WINDOW) return false;
    uint64_t digits = digits_16(load_16(copy)) | (uint64_t)digits_16(load_16(copy + 16)) << 16;
    uint64_t starts = starts_16(tables, copy) & ((UINT64_C(1) << (size - 2)) - 1);
    return ns_scan_found(scan, 0, starts, 0, ns_scan_digit_runs(digits));
}

SSSE3 bool ns_scan_next_ssse3(const ns_scan_tables *tables, ns_scan *scan) {
    size_t at = scan->next, size = scan->size;
    if (at >= size) return false;
    if (size <= NS_SCAN_SHORT) return short_text(tables, scan);
    for (; size - at >= 18; at += 16) {
        uint32_t starts = starts_16(tables, scan->data + at);
        uint64_t digits = digits_16(load_16(scan->data + at)), runs = 0;
        scan->seen_digits = scan->seen_digits >> 16 | digits << 48;
        if (digits) runs = ns_scan_digit_runs(scan->seen_digits);
        if (starts | runs) {
            scan->next = at + 16;
            return ns_scan_found(scan, at, starts, (int64_t)at - 48, runs);
        }
    }
    size_t last = size - 18, left = size - at; /* at most 17: the last sixteen bytes and one before them */
    uint32_t starts = at - last < 16 ? starts_16(tables, scan->data + last) >> (at - last) << (at - last) : 0;
    uint64_t digits = (uint64_t)digits_16(load_16(scan->data + size - 16)) << 48 |
                      (uint64_t)((uint8_t)(scan->data[size - 17] - '0') <= 9) << 47 | scan->seen_digits >> left;
    scan->next = size;
    return ns_scan_found(scan, last, starts, (int64_t)size - 64, ns_scan_digit_runs(digits));
}

static AVX2 inline __m256i kinds_32(const ns_scan_tables *tables, unsigned place, __m256i bytes) {
    const __m256i low_half = _mm256_set1_epi8(15);
    __m256i low = _mm256_load_si256((const __m256i *)tables->half[place][0]);
    __m256i high = _mm256_load_si256((const __m256i *)tables->half[place][1]);
    return _mm256_and_si256(_mm256_shuffle_epi8(low, _mm256_and_si256(bytes, low_half)),
                            _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low_half)));
}

static AVX2 inline uint32_t not_zero_32(__m256i found) {
    return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(found, _mm256_setzero_si256()));
}

static AVX2 inline uint32_t digits_32(__m256i bytes) {
    __m256i value = _mm256_sub_epi8(bytes, _mm256_set1_epi8('0'));
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(value, _mm256_set1_epi8(9)), value));
}

static AVX2 inline __m256i load_32(const uint8_t *from) { return _mm256_loadu_si256((const __m256i *)from); }

static AVX2 inline uint32_t starts_32(const ns_scan_tables *tables, const uint8_t *at) {
    __m256i first = kinds_32(tables, 0, load_32(at)), second = kinds_32(tables, 1, load_32(at + 1));
    return not_zero_32(_mm256_and_si256(_mm256_and_si256(first, second), kinds_32(tables, 2, load_32(at + 2))));
}

/* Text of 16 to 33 bytes. */
static AVX2 inline bool two_halves(const ns_scan_tables *tables, ns_scan *scan) {
    size_t size = scan->size, second = size - 16;
    const uint8_t *data = scan->data;
    __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)data)),
                                            _mm_loadu_si128((const __m128i *)(data + second)), 1);
    __m256i found = kinds_32(tables, 0, bytes);
    found = _mm256_and_si256(found, _mm256_bsrli_epi128(kinds_32(tables, 1, bytes), 1));
    found = _mm256_and_si256(found, _mm256_bsrli_epi128(kinds_32(tables, 2, bytes), 2));
    uint64_t between = 0, starts = not_zero_32(found), digits = digits_32(bytes);
    scan->next = size;
    for (size_t i = IN_HALF; i < second; i++) between |= (uint64_t)(ns_scan_kinds(tables, data + i) != 0) << i;
    uint64_t middle = (uint64_t)((uint8_t)(data[16] - '0') <= 9) << 16; /* lies in no half if there are 33 bytes */
    if (NS_LIKELY((starts | between | digits) == 0)) return false;
    starts = (starts & 0xFFFF) | starts >> 16 << second | between;
    digits = (digits & 0xFFFF) | digits >> 16 << second | middle;
    return ns_scan_found(scan, 0, starts, 0, ns_scan_digit_runs(digits));
}

AVX2 bool ns_scan_next_avx2(const ns_scan_tables *tables, ns_scan *scan) {
    size_t at = scan->next, size = scan->size;
    if (at >= size) return false;
    if (size < 34) return size < 17 ? short_text(tables, scan) : two_halves(tables, scan);
    for (; size - at >= 34; at += 32) {
        uint32_t starts = starts_32(tables, scan->data + at);
        uint64_t digits = digits_32(load_32(scan->data + at)), runs = 0;
        scan->seen_digits = scan->seen_digits >> 32 | digits << 32;
        if (digits) runs = ns_scan_digit_runs(scan->seen_digits);
        if (starts | runs) {
            scan->next = at + 32;
            return ns_scan_found(scan, at, starts, (int64_t)at - 32, runs);
        }
    }
    size_t last = size - 34, left = size - at; /* at most 33: the last 32 bytes and one before them */
    uint32_t starts = at - last < 32 ? starts_32(tables, scan->data + last) >> (at - last) << (at - last) : 0;
    uint64_t digits = (uint64_t)digits_32(load_32(scan->data + size - 32)) << 32 |
                      (uint64_t)((uint8_t)(scan->data[size - 33] - '0') <= 9) << 31 | scan->seen_digits >> left;
    scan->next = size;
    return ns_scan_found(scan, last, starts, (int64_t)size - 64, ns_scan_digit_runs(digits));
}

#endif
