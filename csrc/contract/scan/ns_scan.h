/* The search for places in a text where something may stand that has to be masked: three bytes in a row, each of a class.
 *
 * There are eight kinds of places. A kind is three classes of bytes, one for each of three bytes in a row; as in the search
 * for several literals known as Teddy, a class is stored by the two halves of a byte, so that two table look-ups find the
 * kinds of sixteen bytes at once. A class may so let more bytes pass than were put in, never fewer. The second thing that is
 * looked for is twelve digits, in groups of four or more with at most one byte between groups.
 *
 * The caller examines each place. All versions, one per instruction set, find the same places.
 */
#ifndef NS_SCAN_H
#define NS_SCAN_H

#include "base/ns_base.h"

enum { NS_SCAN_WINDOW = 3, NS_SCAN_KINDS = 8 };

typedef struct ns_scan_tables {
    /* [byte of the window][half][value of the half], a bit a kind; twice, because 32 bytes are looked up at once */
    uint8_t half[NS_SCAN_WINDOW][2][32] __attribute__((aligned(32)));
    uint8_t whole[NS_SCAN_WINDOW][256];
} ns_scan_tables;

/* One search. A block of places: bit i of `starts` is the window that begins at base + i, bit i of `digits` a run of digits
 * that begins near digits_base + i. A run may be reported several times. */
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

typedef struct ns_scan_version {
    const char *name;
    ns_scan_next_fn *next;
} ns_scan_version;

enum { NS_SCAN_VERSIONS = 3 };

/* Fills in the versions that this CPU can run, the plain one first and the fastest last. Returns how many. */
size_t ns_scan_versions(ns_scan_version versions[NS_SCAN_VERSIONS]);

void ns_scan_tables_clear(ns_scan_tables *tables);

/* Adds to a kind: `classes` are sets of bytes, a bit a byte. */
typedef struct ns_scan_class {
    uint64_t bits[4];
} ns_scan_class;

static inline void ns_scan_class_add(ns_scan_class *set, uint8_t byte) { set->bits[byte >> 6] |= UINT64_C(1) << (byte & 63); }

static inline bool ns_scan_class_has(const ns_scan_class *set, uint8_t byte) { return set->bits[byte >> 6] >> (byte & 63) & 1; }

void ns_scan_tables_add(ns_scan_tables *tables, unsigned kind, const ns_scan_class classes[NS_SCAN_WINDOW]);

/* Call after the last addition. */
void ns_scan_tables_finish(ns_scan_tables *tables);

static inline void ns_scan_begin(ns_scan *scan, const uint8_t *data, size_t size) {
    scan->data = data;
    scan->size = size;
    scan->next = 0;
    scan->seen_digits = 0;
}

/* The kinds of the window at `at`, which must lie inside the text as a whole. */
static inline uint8_t ns_scan_kinds(const ns_scan_tables *tables, const uint8_t *at) {
    return tables->whole[0][at[0]] & tables->whole[1][at[1]] & tables->whole[2][at[2]];
}

/* Where twelve digits begin, of the bytes whose bits say that they are digits: four, then four, then four, with at most one
 * byte between them, or two between the second and the third (4-6-5, as on some cards). */
static inline uint64_t ns_scan_digit_runs(uint64_t digits) {
    uint64_t two = digits & digits >> 1, four = two & two >> 2;
    return four & (four >> 4 | four >> 5) & (four >> 8 | four >> 9 | four >> 10 | four >> 12);
}

ns_scan_next_fn ns_scan_next_plain;

#endif
