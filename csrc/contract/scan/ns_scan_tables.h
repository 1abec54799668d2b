/* Makes the tables of a scan from patterns: the classes of three bytes, a window, and of the byte before them. */
#ifndef NS_SCAN_TABLES_H
#define NS_SCAN_TABLES_H

#include "contract/scan/ns_scan.h"

/* A set of bytes. */
typedef struct ns_scan_class {
    uint64_t bits[4];
} ns_scan_class;

typedef struct ns_scan_pattern {
    ns_scan_class classes[NS_SCAN_WINDOW];
    ns_scan_class before;
} ns_scan_pattern;

static inline void ns_scan_class_add(ns_scan_class *set, uint8_t byte) {
    set->bits[byte >> 6] |= UINT64_C(1) << (byte & 63);
}

static inline bool ns_scan_class_has(const ns_scan_class *set, uint8_t byte) {
    return set->bits[byte >> 6] >> (byte & 63) & 1;
}

/* How often windows that agree with the pattern are met, in a unit of its own. */
uint64_t ns_scan_pattern_weight(const ns_scan_pattern *pattern);

/* Distributes the patterns over the kinds so that few other windows pass. False without memory. */
bool ns_scan_tables_make(ns_scan_tables *tables, const ns_scan_pattern *patterns, size_t count);

#endif
