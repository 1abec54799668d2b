/* All versions of the scan find the same places, in texts of every length that the versions treat differently. */
#include <string.h>

#include "contract/scan/ns_scan_tables.h"
#include "ns_test.h"

enum { LONGEST = 200 };

static uint64_t state = 1;

static unsigned below(unsigned limit) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % limit;
}

typedef struct places {
    bool starts[LONGEST], digits[LONGEST];
} places;

static void find(ns_scan_next_fn *next, const ns_scan_tables *tables, const uint8_t *data, size_t size, places *found) {
    ns_scan scan;
    memset(found, 0, sizeof *found);
    ns_scan_begin(&scan, data, size);
    size_t before = 0;
    while (next(tables, &scan)) {
        CHECK(scan.starts | scan.digits);
        for (unsigned bit = 0; bit < 64; bit++) {
            if (scan.starts >> bit & 1) {
                CHECK(scan.base + bit + NS_SCAN_WINDOW <= size && scan.base + bit >= before);
                found->starts[scan.base + bit] = true;
                before = scan.base + bit + 1; /* each place once, in ascending order */
            }
            if (scan.digits >> bit & 1) {
                CHECK(scan.digits_base + bit >= 0 && (size_t)scan.digits_base + bit + 13 <= size);
                found->digits[scan.digits_base + bit] = true;
            }
        }
    }
    CHECK(scan.next >= size);
}

static bool is_digit_at(const uint8_t *data, size_t size, size_t at) {
    return at < size && data[at] >= '0' && data[at] <= '9';
}

static bool four_at(const uint8_t *data, size_t size, size_t at) {
    for (size_t i = 0; i < 4; i++) {
        if (!is_digit_at(data, size, at + i)) return false;
    }
    return true;
}

static bool run_at(const uint8_t *data, size_t size, size_t at) {
    bool second = four_at(data, size, at + 4) || four_at(data, size, at + 5);
    bool third = four_at(data, size, at + 8) || four_at(data, size, at + 9) || four_at(data, size, at + 10) ||
                 four_at(data, size, at + 12);
    bool more = false;
    for (size_t i = 12; i <= 15; i++) more |= is_digit_at(data, size, at + i);
    return four_at(data, size, at) && second && third && more;
}

static void fill(uint8_t *data, size_t size, unsigned style) {
    static const char *const alphabets[] = {"abcdefghijklmnopqrstuvwxyz =:/", "0123456789 -", "token=:\"%40@", "0123456789"};
    for (size_t i = 0; i < size; i++) {
        const char *alphabet = alphabets[style % 4];
        data[i] = style == 4 ? (uint8_t)below(256) : (uint8_t)alphabet[below((unsigned)strlen(alphabet))];
    }
}

static ns_scan_class one(const char *bytes) {
    ns_scan_class set = {{0}};
    for (; *bytes; bytes++) ns_scan_class_add(&set, (uint8_t)*bytes);
    return set;
}

static void make_tables(ns_scan_tables *tables) {
    const ns_scan_class any = {{~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0)}};
    const ns_scan_pattern patterns[] = {
        {{one("eE"), one("nN"), one("=:")}, one("kK")},
        {{any, one("@"), any}, one("")},
        {{one("\xff"), one("\x80"), any}, one("a")},
    };
    CHECK(ns_scan_tables_make(tables, patterns, sizeof patterns / sizeof *patterns));
}

static void test_versions(void) {
    ns_scan_tables tables;
    make_tables(&tables);
    ns_scan_version versions[NS_SCAN_VERSIONS];
    size_t count = ns_scan_versions(versions);
    for (size_t size = 0; size < LONGEST; size++) {
        for (unsigned text = 0; text < 50; text++) {
            uint8_t *exact = malloc(size ? size : 1); /* a sanitizer sees what is read behind it */
            CHECK(exact != NULL);
            fill(exact, size, text % 5);
            places plain, other;
            find(versions[0].next, &tables, exact, size, &plain);
            for (size_t i = 0; i < size; i++) {
                CHECK(plain.starts[i] ==
                      (i + 3 <= size && ns_scan_kinds(&tables, exact + i) && ns_scan_is_place(&tables, exact, i)));
                CHECK(plain.digits[i] == run_at(exact, size, i));
            }
            for (size_t version = 1; version < count; version++) {
                find(versions[version].next, &tables, exact, size, &other);
                CHECK(memcmp(&plain, &other, sizeof plain) == 0);
                bool any = memchr(&plain, 1, sizeof plain) != NULL;
                if (size <= NS_SCAN_SHORT) CHECK(versions[version].any_in_short(&tables, exact, size) == any);
            }
            free(exact);
        }
    }
}

static bool is_place(const ns_scan_tables *tables, const char *text) {
    const uint8_t *data = (const uint8_t *)text;
    return ns_scan_kinds(tables, data + 1) && ns_scan_is_place(tables, data, 1);
}

static void test_tables(void) {
    ns_scan_tables tables;
    make_tables(&tables);
    CHECK(is_place(&tables, "ken=") && is_place(&tables, "KEN:") && is_place(&tables, "ax@\xff") &&
          is_place(&tables, "a\xff\x80z"));
    CHECK(!is_place(&tables, "kxyz") && !is_place(&tables, "ken-") && !is_place(&tables, "kon=") &&
          !is_place(&tables, "len="));
}

int main(void) {
    test_versions();
    test_tables();
    return ns_test_summary();
}
