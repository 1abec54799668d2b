#include "contract/scan/ns_scan.h"
#include "contract/scan/ns_scan_simd.h"

bool ns_scan_next_plain(const ns_scan_tables *tables, ns_scan *scan) {
    while (scan->next < scan->size) {
        size_t base = scan->next, windows = scan->size - base < 32 ? scan->size - base : 32;
        uint64_t starts = 0, digits = 0;
        for (size_t i = 0; i < windows; i++) {
            const uint8_t *at = scan->data + base + i;
            digits |= (uint64_t)ns_scan_is_digit(*at) << i;
            if (base + i + NS_SCAN_WINDOW <= scan->size) starts |= (uint64_t)(ns_scan_kinds(tables, at) != 0) << i;
        }
        scan->next = base + 32;
        scan->seen_digits = scan->seen_digits >> 32 | digits << 32;
        scan->base = base;
        scan->starts = ns_scan_places(tables, scan->data, base, starts);
        scan->digits_base = (int64_t)base - 32;
        scan->digits = ns_scan_digit_runs(scan->seen_digits);
        if (scan->starts | scan->digits) return true;
    }
    return false;
}

bool ns_scan_short_plain(const ns_scan_tables *tables, const uint8_t *data, size_t size) {
    ns_scan scan;
    ns_scan_begin(&scan, data, size);
    return ns_scan_next_plain(tables, &scan);
}

size_t ns_scan_versions(ns_scan_version versions[NS_SCAN_VERSIONS]) {
    size_t count = 0;
    versions[count++] = (ns_scan_version){"plain", ns_scan_next_plain, ns_scan_short_plain};
#if NS_SCAN_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("ssse3"))
        versions[count++] = (ns_scan_version){"ssse3", ns_scan_next_ssse3, ns_scan_short_ssse3};
    if (__builtin_cpu_supports("avx2")) versions[count++] = (ns_scan_version){"avx2", ns_scan_next_avx2, ns_scan_short_avx2};
#elif NS_SCAN_NEON
    versions[count++] = (ns_scan_version){"neon", ns_scan_next_neon, ns_scan_short_neon};
#endif
    return count;
}
