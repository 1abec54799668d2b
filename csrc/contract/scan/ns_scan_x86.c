/* Windows are looked up from three loads that are a byte apart. Texts of 16 to 33 bytes are held in one register of AVX2, the
 * first sixteen bytes in one half and the last sixteen in the other; then windows are made by shifts within the halves. */
#include "contract/scan/ns_scan_simd.h"

#if NS_SCAN_X86

#include <immintrin.h>

#define SSSE3 __attribute__((target("ssse3")))
#define AVX2  __attribute__((target("avx2,bmi")))

enum { IN_HALF = 16 - NS_SCAN_WINDOW + 1, HALVES_MAX = 33 }; /* windows that lie in one half */

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
static SSSE3 uint64_t in_copy(const ns_scan_tables *tables, const uint8_t *data, size_t size, uint64_t *runs) {
    uint8_t copy[48] = {0};
    ns_copy_short(copy, data, size);
    *runs = ns_scan_digit_runs(digits_16(load_16(copy)) | (uint64_t)digits_16(load_16(copy + 16)) << 16);
    uint64_t starts = starts_16(tables, copy) & ((UINT64_C(1) << (size - 2)) - 1);
    return ns_scan_places(tables, copy, 0, starts);
}

SSSE3 bool ns_scan_next_ssse3(const ns_scan_tables *tables, ns_scan *scan) {
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
        uint64_t starts = starts_16(tables, data + at), digits = digits_16(load_16(data + at));
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
    uint64_t digits = (uint64_t)digits_16(load_16(data + size - 16)) << 48 |
                      (uint64_t)ns_scan_is_digit(data[size - 17]) << 47 | seen >> left;
    return ns_scan_found(scan, last, ns_scan_places(tables, data, last, starts), (int64_t)size - 64,
                         ns_scan_digit_runs(digits));
}

SSSE3 bool ns_scan_short_ssse3(const ns_scan_tables *tables, const uint8_t *data, size_t size) {
    ns_scan scan;
    ns_scan_begin(&scan, data, size);
    while (scan.next < size) {
        if (ns_scan_next_ssse3(tables, &scan)) return true;
    }
    return false;
}

typedef struct wide_tables {
    __m256i half[NS_SCAN_WINDOW][2], low_half, to_top, below_top;
} wide_tables;

static AVX2 inline wide_tables load_tables(const ns_scan_tables *tables) {
    wide_tables loaded;
    loaded.low_half = _mm256_load_si256((const __m256i *)tables->low_half);
    loaded.to_top = _mm256_load_si256((const __m256i *)tables->to_top);
    loaded.below_top = _mm256_load_si256((const __m256i *)tables->below_top);
    for (unsigned place = 0; place < NS_SCAN_WINDOW; place++) {
        loaded.half[place][0] = _mm256_load_si256((const __m256i *)tables->half[place][0]);
        loaded.half[place][1] = _mm256_load_si256((const __m256i *)tables->half[place][1]);
    }
    return loaded;
}

static AVX2 inline __m256i kinds_32(const wide_tables *tables, unsigned place, __m256i bytes) {
    __m256i low = _mm256_and_si256(bytes, tables->low_half);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), tables->low_half);
    return _mm256_and_si256(_mm256_shuffle_epi8(tables->half[place][0], low),
                            _mm256_shuffle_epi8(tables->half[place][1], high));
}

static AVX2 inline uint32_t not_zero_32(__m256i found) {
    return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(found, _mm256_setzero_si256()));
}

static AVX2 inline uint32_t digits_32(const wide_tables *tables, __m256i bytes) {
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(_mm256_add_epi8(bytes, tables->to_top), tables->below_top));
}

static AVX2 inline __m256i load_32(const uint8_t *from) { return _mm256_loadu_si256((const __m256i *)from); }

static AVX2 inline uint32_t starts_32(const wide_tables *tables, const uint8_t *at) {
    __m256i first = kinds_32(tables, 0, load_32(at)), second = kinds_32(tables, 1, load_32(at + 1));
    return not_zero_32(_mm256_and_si256(_mm256_and_si256(first, second), kinds_32(tables, 2, load_32(at + 2))));
}

/* The windows of a register, a bit each: those of the lower half, and from bit 16 on those of the upper half. */
static AVX2 inline uint32_t starts_in_halves(const wide_tables *tables, __m256i bytes) {
    __m256i found = kinds_32(tables, 0, bytes);
    found = _mm256_and_si256(found, _mm256_bsrli_epi128(kinds_32(tables, 1, bytes), 1));
    return not_zero_32(_mm256_and_si256(found, _mm256_bsrli_epi128(kinds_32(tables, 2, bytes), 2)));
}

static AVX2 inline __m256i load_halves(const uint8_t *data, size_t size) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)data)),
                                   _mm_loadu_si128((const __m128i *)(data + size - 16)), 1);
}

/* What follows for a text of 16 to 33 bytes: the halves are put where they lie in the text. */
static uint64_t places_in_halves(const ns_scan_tables *tables, const uint8_t *data, size_t size, uint64_t starts,
                                 uint64_t digits, uint64_t *runs) {
    size_t second = size - 16;
    uint64_t middle = size > 16 ? (uint64_t)ns_scan_is_digit(data[16]) << 16 : 0; /* in no half if there are 33 bytes */
    *runs = ns_scan_digit_runs((digits & 0xFFFF) | digits >> 16 << second | middle);
    starts = (starts & 0xFFFF) | starts >> 16 << second;
    for (size_t i = IN_HALF; i < second; i++) starts |= (uint64_t)(ns_scan_kinds(tables, data + i) != 0) << i;
    return ns_scan_places(tables, data, 0, starts);
}

static __attribute__((noinline)) bool any_in_halves(const ns_scan_tables *tables, const uint8_t *data, size_t size,
                                                    uint64_t starts, uint64_t digits) {
    size_t second = size - 16;
    for (uint64_t left = starts; left; left &= left - 1) {
        unsigned bit = (unsigned)__builtin_ctzll(left);
        if (NS_UNLIKELY(ns_scan_is_place(tables, data, bit < 16 ? bit : second - 16 + bit))) return true;
    }
    for (size_t i = IN_HALF; NS_UNLIKELY(i < second); i++) {
        if (ns_scan_kinds(tables, data + i) && ns_scan_is_place(tables, data, i)) return true;
    }
    uint64_t two = digits & digits >> 1;
    if (NS_LIKELY((two & two >> 2) == 0)) return false;
    uint64_t middle = size > 16 ? (uint64_t)ns_scan_is_digit(data[16]) << 16 : 0;
    return ns_scan_digit_runs((digits & 0xFFFF) | digits >> 16 << second | middle) != 0;
}

static __attribute__((noinline)) bool any_in_two(const ns_scan_tables *tables, const uint8_t *data, size_t size,
                                                 uint64_t first, uint64_t last, uint64_t digits) {
    for (; first; first &= first - 1) {
        if (NS_UNLIKELY(ns_scan_is_place(tables, data, (size_t)__builtin_ctzll(first)))) return true;
    }
    for (; last; last &= last - 1) {
        if (NS_UNLIKELY(ns_scan_is_place(tables, data, size - 34 + (size_t)__builtin_ctzll(last)))) return true;
    }
    return ns_scan_digit_runs(digits) != 0;
}

/* Text of 3 to 15 bytes in the lower half, with zeros behind it. */
static AVX2 inline __m256i load_small(const uint8_t *data, size_t size) {
    uint64_t low, high = 0;
    if (size > 8) {
        low = ns_load_u64(data);
        high = ns_load_u64(data + size - 8) >> (8 * (16 - size));
    } else if (size >= 4) {
        uint32_t first, last;
        __builtin_memcpy(&first, data, sizeof first);
        __builtin_memcpy(&last, data + size - 4, sizeof last);
        low = first | (uint64_t)last << (8 * (size - 4));
    } else {
        low = data[0] | (uint64_t)data[1] << 8 | (uint64_t)data[2] << 16;
    }
    return _mm256_zextsi128_si256(_mm_set_epi64x((int64_t)high, (int64_t)low));
}

static __attribute__((noinline)) bool any_in_small(const ns_scan_tables *tables, const uint8_t *data, uint64_t starts,
                                                   uint64_t digits) {
    for (; starts; starts &= starts - 1) {
        if (NS_UNLIKELY(ns_scan_is_place(tables, data, (size_t)__builtin_ctzll(starts)))) return true;
    }
    return ns_scan_digit_runs(digits) != 0;
}

AVX2 bool ns_scan_short_avx2(const ns_scan_tables *tables, const uint8_t *data, size_t size) {
    if (NS_UNLIKELY(size < NS_SCAN_WINDOW)) return false;
    const wide_tables wide = load_tables(tables);
    if (size < 16) {
        __m256i few = load_small(data, size);
        uint32_t small = starts_in_halves(&wide, few) & ((1u << (size - 2)) - 1), numbers = digits_32(&wide, few),
                 two = numbers & numbers >> 1;
        if (NS_LIKELY((small | (two & two >> 2)) == 0)) return false;
        _mm256_zeroupper();
        return any_in_small(tables, data, small, numbers);
    }
    if (NS_UNLIKELY(size > HALVES_MAX)) {
        /* Two registers, of the first bytes and of the last ones. */
        uint32_t first = starts_32(&wide, data), last = starts_32(&wide, data + size - 34);
        uint64_t all = digits_32(&wide, load_32(data)) | (uint64_t)digits_32(&wide, load_32(data + size - 32))
                                                             << (size - 32);
        uint64_t pairs = all & all >> 1;
        if (NS_LIKELY((first | last | (pairs & pairs >> 2)) == 0)) return false;
        _mm256_zeroupper();
        return any_in_two(tables, data, size, first, last, all);
    }
    __m256i bytes = load_halves(data, size);
    uint32_t starts = starts_in_halves(&wide, bytes), digits = digits_32(&wide, bytes), two = digits & digits >> 1;
    /* Of thirteen digits, four in a row lie in one of the halves. */
    if (NS_LIKELY(size <= 16 + IN_HALF && (starts | (two & two >> 2)) == 0)) return false;
    _mm256_zeroupper();
    return any_in_halves(tables, data, size, starts, digits);
}

AVX2 bool ns_scan_next_avx2(const ns_scan_tables *tables, ns_scan *scan) {
    size_t at = scan->next, size = scan->size;
    const uint8_t *data = scan->data;
    if (at >= size) return false;
    scan->next = size;
    if (size < NS_SCAN_WINDOW) return false;
    uint64_t seen = scan->seen_digits, runs = 0, starts;
    if (size <= HALVES_MAX) {
        if (size < 16) {
            starts = in_copy(tables, data, size, &runs);
        } else {
            const wide_tables wide = load_tables(tables);
            __m256i bytes = load_halves(data, size);
            starts = places_in_halves(tables, data, size, starts_in_halves(&wide, bytes), digits_32(&wide, bytes), &runs);
        }
        return ns_scan_found(scan, 0, starts, 0, runs);
    }
    const wide_tables wide = load_tables(tables);
    for (; size - at >= 34; at += 32) {
        starts = starts_32(&wide, data + at);
        uint64_t digits = digits_32(&wide, load_32(data + at));
        seen = seen >> 32 | digits << 32;
        runs = digits ? ns_scan_digit_runs(seen) : 0;
        if (NS_LIKELY((starts | runs) == 0)) continue;
        starts = ns_scan_places(tables, data, at, starts);
        if (NS_LIKELY((starts | runs) == 0)) continue;
        scan->next = at + 32;
        scan->seen_digits = seen;
        return ns_scan_found(scan, at, starts, (int64_t)at - 32, runs);
    }
    size_t last = size - 34, left = size - at; /* at most 33: the last 32 bytes and one before them */
    starts = at - last < 32 ? starts_32(&wide, data + last) >> (at - last) << (at - last) : 0;
    uint64_t digits = (uint64_t)digits_32(&wide, load_32(data + size - 32)) << 32 |
                      (uint64_t)ns_scan_is_digit(data[size - 33]) << 31 | seen >> left;
    return ns_scan_found(scan, last, ns_scan_places(tables, data, last, starts), (int64_t)size - 64,
                         ns_scan_digit_runs(digits));
}

#endif
