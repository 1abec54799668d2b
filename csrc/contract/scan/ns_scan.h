/* The search for places in a text where something may stand that has to be masked: three bytes in a row, a window, that agree
 * with one of many patterns. A pattern is three classes of bytes.
 *
 * The first step is the one of Teddy, a search for several literals at once: patterns are put into eight kinds, the classes
 * of a kind are stored by the two halves of a byte, and table look-ups find the kinds of 16 or 32 windows at once. A kind so
 * lets more windows pass than its patterns, never fewer. The second step looks each window that passed, and the byte before it,
 * up in a set of hashes, which lets about one of a hundred others pass. The caller examines what is left.
 *
 * Besides windows the scan looks for thirteen digits, in groups of four or more with at most one byte between groups.
 *
 * All versions of the scan, one an instruction set, find the same places.
 */
#ifndef NS_SCAN_H
#define NS_SCAN_H

#include "base/ns_base.h"

enum { NS_SCAN_WINDOW = 3, NS_SCAN_KINDS = 8, NS_SCAN_HASH_BITS = 17 };

typedef struct ns_scan_tables {
    /* [byte of the window][half][value of the half], a bit a kind; twice, because 32 bytes are looked up at once */
    uint8_t half[NS_SCAN_WINDOW][2][32] __attribute__((aligned(32)));
    /* A byte plus `to_top`, as a signed number, is above `below_top` if it is a digit. Constants, here to be loaded at once. */
    uint8_t low_half[32], to_top[32], below_top[32];
    uint8_t whole[NS_SCAN_WINDOW][256];
    /* Not 0 for bytes of a window, the first and the second, before which anything may stand: such windows are in no set. */
    uint8_t unhashed[2][256];
    uint64_t hashes[(1 << NS_SCAN_HASH_BITS) / 64];
} ns_scan_tables;

/* One search. A block of places: bit i of `starts` is the window that begins at base + i, bit i of `digits` a run of digits
 * that begins at digits_base + i or before. A run may be reported several times. */
typedef struct ns_scan {
    const uint8_t *data;
    size_t size;
    size_t next; /* the first window not looked at yet */
    uint64_t seen_digits;
    size_t base;
    uint64_t starts;
    int64_t digits_base;
    uint64_t digits;
} ns_scan;

/* Finds the next block with a place in it; false at the end of the text. */
typedef bool ns_scan_next_fn(const ns_scan_tables *tables, ns_scan *scan);

/* Whether there is a place in a text of at most NS_SCAN_SHORT bytes. */
typedef bool ns_scan_short_fn(const ns_scan_tables *tables, const uint8_t *data, size_t size);

enum { NS_SCAN_SHORT = 64 };

typedef struct ns_scan_version {
    const char *name;
    ns_scan_next_fn *next;
    ns_scan_short_fn *any_in_short;
} ns_scan_version;

enum { NS_SCAN_VERSIONS = 3 };

/* Fills in the versions that this CPU can run, the plain one first and the fastest last. Returns how many. */
size_t ns_scan_versions(ns_scan_version versions[NS_SCAN_VERSIONS]);

static inline void ns_scan_begin(ns_scan *scan, const uint8_t *data, size_t size) {
    scan->data = data;
    scan->size = size;
    scan->next = 0;
    scan->seen_digits = 0;
}

/* Two hashes of the window, and the byte before it in the low byte. */
static inline unsigned ns_scan_hash(uint32_t bytes) { return bytes * UINT32_C(0x9E3779B1) >> (32 - NS_SCAN_HASH_BITS); }
static inline unsigned ns_scan_second_hash(uint32_t bytes) {
    return bytes * UINT32_C(0x85EBCA6B) >> (32 - NS_SCAN_HASH_BITS);
}

static inline bool ns_scan_has_hash(const ns_scan_tables *tables, unsigned hash) {
    return tables->hashes[hash / 64] >> (hash % 64) & 1;
}

/* The first step, for the window at `at`. */
static inline uint8_t ns_scan_kinds(const ns_scan_tables *tables, const uint8_t *at) {
    return tables->whole[0][at[0]] & tables->whole[1][at[1]] & tables->whole[2][at[2]];
}

/* The second step, for the window at `index`. */
static inline bool ns_scan_is_place(const ns_scan_tables *tables, const uint8_t *data, size_t index) {
    if (NS_UNLIKELY(index == 0)) return true;
    uint32_t bytes;
    __builtin_memcpy(&bytes, data + index - 1, sizeof bytes);
    if (NS_UNLIKELY(tables->unhashed[0][data[index]] | tables->unhashed[1][data[index + 1]])) return true;
    return ns_scan_has_hash(tables, ns_scan_hash(bytes)) && ns_scan_has_hash(tables, ns_scan_second_hash(bytes));
}

/* Of the windows that passed the first step, those that pass the second. Bit i of both is the window at base + i. */
static inline uint64_t ns_scan_places(const ns_scan_tables *tables, const uint8_t *data, size_t base, uint64_t starts) {
    uint64_t places = 0;
    for (uint64_t left = starts; left; left &= left - 1) {
        if (NS_UNLIKELY(ns_scan_is_place(tables, data, base + (size_t)__builtin_ctzll(left)))) places |= left & -left;
    }
    return places;
}

/* Where thirteen digits begin, of the bytes whose bits say that they are digits: four, four, four and one, with at most one
 * byte between them, or two between the second and the third (4-6-5, as on some cards). */
static inline uint64_t ns_scan_digit_runs(uint64_t digits) {
    uint64_t two = digits & digits >> 1, four = two & two >> 2;
    if (NS_LIKELY(four == 0)) return 0;
    uint64_t eight = four & (four >> 4 | four >> 5);
    if (NS_LIKELY(eight == 0)) return 0;
    uint64_t one_more = digits >> 12 | digits >> 13 | digits >> 14 | digits >> 15;
    return eight & (four >> 8 | four >> 9 | four >> 10 | four >> 12) & one_more;
}

static inline bool ns_scan_is_digit(uint8_t byte) { return (uint8_t)(byte - '0') <= 9; }

ns_scan_next_fn ns_scan_next_plain;
ns_scan_short_fn ns_scan_short_plain;

#endif
