#include "contract/scan/ns_scan.h"
#include "contract/scan/ns_scan_simd.h"

#include <string.h>

void ns_scan_tables_clear(ns_scan_tables *tables) { memset(tables, 0, sizeof *tables); }

void ns_scan_tables_add(ns_scan_tables *tables, unsigned kind, const ns_scan_class classes[NS_SCAN_WINDOW]) {
    for (unsigned place = 0; place < NS_SCAN_WINDOW; place++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            if (!ns_scan_class_has(&classes[place], (uint8_t)byte)) continue;
            tables->half[place][0][byte & 15] |= (uint8_t)(1u << kind);
            tables->half[place][1][byte >> 4] |= (uint8_t)(1u << kind);
        }
    }
}

void ns_scan_tables_finish(ns_scan_tables *tables) {
    for (unsigned place = 0; place < NS_SCAN_WINDOW; place++) {
        for (unsigned half = 0; half < 2; half++) memcpy(tables->half[place][half] + 16, tables->half[place][half], 16);
        for (unsigned byte = 0; byte < 256; byte++) {
            tables->whole[place][byte] = tables->half[place][0][byte & 15] & tables->half[place][1][byte >> 4];
        }
    }
}

bool ns_scan_next_plain(const ns_scan_tables *tables, ns_scan *scan) {
    while (scan->next < scan->size) {
        size_t base = scan->next, windows = scan->size - base < 32 ? scan->size - base : 32;
        uint64_t starts = 0, digits = 0;
        for (size_t i = 0; i < windows; i++) {
            const uint8_t *at = scan->data + base + i;
            digits |= (uint64_t)(*at >= '0' && *at <= '9') << i;
            if (base + i + NS_SCAN_WINDOW <= scan->size) starts |= (uint64_t)(ns_scan_kinds(tables, at) != 0) << i;
        }
        scan->next = base + 32;
        scan->seen_digits = scan->seen_digits >> 32 | digits << 32;
        scan->base = base;
        scan->starts = starts;
        scan->digits_base = (int64_t)base - 32;
        scan->digits = ns_scan_digit_runs(scan->seen_digits);
        if (starts | scan->digits) return true;
    }
    return false;
}

size_t ns_scan_versions(ns_scan_version versions[NS_SCAN_VERSIONS]) {
    size_t count = 0;
    versions[count++] = (ns_scan_version){"plain", ns_scan_next_plain};
#if NS_SCAN_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("ssse3")) versions[count++] = (ns_scan_version){"ssse3", ns_scan_next_ssse3};
    if (__builtin_cpu_supports("avx2")) versions[count++] = (ns_scan_version){"avx2", ns_scan_next_avx2};
#elif NS_SCAN_NEON
    versions[count++] = (ns_scan_version){"neon", ns_scan_next_neon};
#endif
    return count;
}
