/* The versions of the scan for instruction sets that look up sixteen or more bytes at once. */
#ifndef NS_SCAN_SIMD_H
#define NS_SCAN_SIMD_H

#include "contract/scan/ns_scan.h"

#if defined(__x86_64__)
#define NS_SCAN_X86 1
ns_scan_next_fn ns_scan_next_ssse3, ns_scan_next_avx2;
ns_scan_short_fn ns_scan_short_ssse3, ns_scan_short_avx2;
#elif defined(__aarch64__)
#define NS_SCAN_NEON 1
ns_scan_next_fn ns_scan_next_neon;
ns_scan_short_fn ns_scan_short_neon;
#endif

/* Up to this size the text is copied: reading sixteen bytes and two more could reach a page that is not there. */
enum { NS_SCAN_COPIED = 18 };

static inline bool ns_scan_found(ns_scan *scan, size_t base, uint64_t starts, int64_t digits_base, uint64_t digits) {
    scan->base = base;
    scan->starts = starts;
    scan->digits_base = digits_base;
    scan->digits = digits;
    return starts | digits;
}

#endif
