#include "sampling/ns_threshold.h"

#include <string.h>

#include "ns_test.h"

static bool decodes_to(const char *text, uint64_t expected) {
    uint64_t threshold = 0;
    return ns_threshold_decode(text, strlen(text), &threshold) && threshold == expected;
}

static bool encodes_to(uint64_t threshold, const char *expected) {
    char text[NS_THRESHOLD_DIGITS];
    size_t length = ns_threshold_encode(threshold, text);
    return length == strlen(expected) && memcmp(text, expected, length) == 0;
}

static bool probability_encodes_to(double probability, unsigned precision, const char *expected) {
    uint64_t threshold = 0;
    return ns_threshold_of_probability(probability, precision, &threshold) && encodes_to(threshold, expected);
}

static bool threshold_rejects(const char *text, size_t length) {
    uint64_t threshold = 42;
    return !ns_threshold_decode(text, length, &threshold) && threshold == 42;
}

static bool randomness_rejects(const char *text) {
    uint64_t randomness = 42;
    return !ns_randomness_decode(text, strlen(text), &randomness) && randomness == 42;
}

static void test_ratio(void) {
    const ns_ratio none = {0, false}, all = {0, true}, one = {1, false}, half = {UINT64_C(1) << 63, false};
    const ns_ratio all_but_one = {UINT64_MAX, false};
    CHECK(!ns_ratio_keeps(none, 0));
    CHECK(!ns_ratio_keeps(none, UINT64_MAX));
    CHECK(ns_ratio_keeps(all, 0));
    CHECK(ns_ratio_keeps(all, UINT64_MAX));
    CHECK(ns_ratio_keeps(one, 0));
    CHECK(!ns_ratio_keeps(one, 1));
    CHECK(ns_ratio_keeps(half, (UINT64_C(1) << 63) - 1));
    CHECK(!ns_ratio_keeps(half, UINT64_C(1) << 63));
    CHECK(!ns_ratio_keeps(half, (UINT64_C(1) << 63) + 1));
    CHECK(ns_ratio_keeps(all_but_one, UINT64_MAX - 1));
    CHECK(!ns_ratio_keeps(all_but_one, UINT64_MAX));
}

static void test_decode(void) {
    CHECK(decodes_to("0", 0));
    CHECK(decodes_to("00", 0));
    CHECK(decodes_to("8", UINT64_C(0x80000000000000)));
    CHECK(decodes_to("80", UINT64_C(0x80000000000000)));
    CHECK(decodes_to("c", UINT64_C(0xc0000000000000)));
    CHECK(decodes_to("028f", UINT64_C(0x028f0000000000)));
    CHECK(decodes_to("00000000000001", 1));
    CHECK(decodes_to("ffffffffffffff", NS_THRESHOLD_LIMIT - 1));
    CHECK(decodes_to("0123456789abcd", UINT64_C(0x0123456789abcd)));

    CHECK(threshold_rejects("", 0));
    CHECK(threshold_rejects("000000000000000", 15));
    CHECK(threshold_rejects("1\0", 2)); /* the length counts, not a terminating zero byte */
    const char *const illegal[] = {"C", "+8", "-1", " 8", "8 ", "0x8", "g", "8:", "1_0", "`", "/", "\xef\xbc\x98"};
    for (size_t i = 0; i < sizeof illegal / sizeof *illegal; i++) CHECK(threshold_rejects(illegal[i], strlen(illegal[i])));
}

static void test_encode(void) {
    CHECK(encodes_to(0, "0"));
    CHECK(encodes_to(1, "00000000000001"));
    CHECK(encodes_to(UINT64_C(0x80000000000000), "8"));
    CHECK(encodes_to(UINT64_C(0x028f5c28f5c290), "028f5c28f5c29"));
    CHECK(encodes_to(UINT64_C(0x10000000000000), "1"));
    CHECK(encodes_to(NS_THRESHOLD_LIMIT - 1, "ffffffffffffff"));
    char untouched[NS_THRESHOLD_DIGITS] = "unchanged";
    CHECK(ns_threshold_encode(NS_THRESHOLD_LIMIT, untouched) == 0);
    CHECK(ns_threshold_encode(UINT64_MAX, untouched) == 0);
    CHECK(strcmp(untouched, "unchanged") == 0);

    uint64_t step = 1;
    for (int i = 0; i < 100000; i++) {
        step = step * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t threshold = step >> 8 << (step & 7) * 4 & (NS_THRESHOLD_LIMIT - 1), again = 1;
        char text[NS_THRESHOLD_DIGITS];
        size_t length = ns_threshold_encode(threshold, text);
        CHECK(ns_threshold_decode(text, length, &again) && again == threshold);
        CHECK(length == 1 || text[length - 1] != '0');
    }
}

static void test_randomness(void) {
    uint64_t randomness = 0;
    CHECK(ns_randomness_decode("6e6d1a75832a2f", 14, &randomness));
    CHECK(randomness == UINT64_C(0x6e6d1a75832a2f));
    CHECK(ns_randomness_decode("00000000000000", 14, &randomness) && randomness == 0);
    CHECK(ns_randomness_decode("ffffffffffffff", 14, &randomness) && randomness == NS_THRESHOLD_LIMIT - 1);
    CHECK(randomness_rejects(""));
    CHECK(randomness_rejects("8"));
    CHECK(randomness_rejects("6e6d1a75832a2"));
    CHECK(randomness_rejects("6e6d1a75832a2f0"));
    CHECK(randomness_rejects("6E6D1A75832A2F"));
    CHECK(randomness_rejects("0x6d1a75832a2f"));
    CHECK(ns_randomness_of_trace(UINT64_MAX) == NS_THRESHOLD_LIMIT - 1);
    CHECK(ns_randomness_of_trace(UINT64_C(0xff00000000000000)) == 0);
    CHECK(ns_randomness_of_trace(UINT64_C(0xab0123456789abcd)) == UINT64_C(0x0123456789abcd));
}

static void test_rounding(void) {
    const uint64_t threshold = UINT64_C(0x123456789abcde);
    CHECK(ns_threshold_round(threshold, 3) == UINT64_C(0x12300000000000));
    CHECK(ns_threshold_round(threshold, 5) == UINT64_C(0x12345000000000));
    CHECK(ns_threshold_round(threshold, 6) == UINT64_C(0x12345600000000));
    CHECK(ns_threshold_round(threshold, 7) == UINT64_C(0x12345680000000));
    CHECK(ns_threshold_round(threshold, NS_THRESHOLD_DIGITS) == threshold);
    CHECK(ns_threshold_round(threshold, NS_THRESHOLD_DIGITS + 3) == threshold);
    CHECK(ns_threshold_round(NS_THRESHOLD_LIMIT - 1, 1) == UINT64_C(0xf0000000000000));
}

static void test_decision(void) {
    CHECK(ns_threshold_keeps(UINT64_C(0x9b8233f7e3a151), UINT64_C(0x80000000000000)));
    CHECK(ns_threshold_keeps(UINT64_C(0x6e6d1a75832a2f), UINT64_C(0x6e6d1a75832a2f)));
    CHECK(!ns_threshold_keeps(UINT64_C(0x6e6d1a75832a2f), UINT64_C(0x6e6d1a75832a30)));
    CHECK(ns_threshold_keeps(UINT64_C(0x6e6d1a75832a2f), UINT64_C(0x6e6d1a75832a2e)));
    CHECK(ns_threshold_keeps(NS_THRESHOLD_LIMIT - 1, NS_THRESHOLD_LIMIT - 1));
    CHECK(ns_threshold_keeps(0, 0));
    CHECK(!ns_threshold_keeps(0, 1));
}

static void test_probability(void) {
    const struct {
        double probability;
        const char *rounded; /* precision 4 */
        const char *exact;   /* precision 14 */
    } vectors[] = {
        {1.0, "0", "0"},
        {0.999999, "0", "000010c6f7a0b8"},
        {0.999, "0042", "004189374bc6a8"},
        {0.99, "028f", "028f5c28f5c29"},
        {0.95, "0ccd", "0cccccccccccd"},
        {0.9, "199a", "19999999999998"},
        {0.75, "4", "4"},
        {2.0 / 3, "5555", "55555555555558"},
        {0.5, "8", "8"},
        {1.0 / 3, "aaab", "aaaaaaaaaaaaac"},
        {0.25, "c", "c"},
        {0.2, "cccd", "cccccccccccccc"},
        {1.0 / 7, "db6e", "db6db6db6db6dc"},
        {0.125, "e", "e"},
        {0.1, "e666", "e6666666666666"},
        {0.0625, "f", "f"},
        {0.05, "f3333", "f3333333333333"},
        {1.0 / 17, "f0f0f", "f0f0f0f0f0f0f1"},
        {0.02, "fae14", "fae147ae147ae1"},
        {0.01, "fd70a", "fd70a3d70a3d71"},
        {0.005, "feb85", "feb851eb851eb8"},
        {1.0 / 256, "ff", "ff"},
        {1e-3, "ffbe77", "ffbe76c8b43958"},
        {1e-4, "fff9724", "fff972474538ef"},
        {1e-5, "ffff583a", "ffff583a53b8e5"},
        {1e-6, "ffffef39", "ffffef39085f4a"},
        {1e-9, "fffffffbb48", "fffffffbb47d06"},
        {0x1p-48, "ffffffffffff", "ffffffffffff"},
        {0x1p-52, "ffffffffffff", "fffffffffffff"},
        {0x1p-56, "ffffffffffff", "ffffffffffffff"},
        {2.5 * 0x1p-56, "ffffffffffff", "fffffffffffffe"}, /* halves round to even */
        {3.5 * 0x1p-56, "ffffffffffff", "fffffffffffffc"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        CHECK(probability_encodes_to(vectors[i].probability, 4, vectors[i].rounded));
        CHECK(probability_encodes_to(vectors[i].probability, 14, vectors[i].exact));
    }
    const struct {
        double probability;
        const char *three, *five;
    } precisions[] = {
        {1.0 / 3, "aab", "aaaab"},      {2.0 / 3, "555", "55555"}, {0.2, "ccd", "ccccd"},
        {0.05, "f333", "f33333"},       {0.01, "fd71", "fd70a4"},  {1e-3, "ffbe7", "ffbe76d"},
        {1e-5, "ffff584", "ffff583a5"}, {0.95, "0cd", "0cccd"},    {1e-6, "ffffef4", "ffffef391"},
    };
    for (size_t i = 0; i < sizeof precisions / sizeof precisions[0]; i++) {
        CHECK(probability_encodes_to(precisions[i].probability, 3, precisions[i].three));
        CHECK(probability_encodes_to(precisions[i].probability, 5, precisions[i].five));
    }
    uint64_t untouched = 42;
    const double illegal[] = {0.0, -0.0, 0x1p-57, -0.5, 1.0000001, 1e300, __builtin_nan(""), __builtin_inf()};
    for (size_t i = 0; i < sizeof illegal / sizeof illegal[0]; i++)
        CHECK(!ns_threshold_of_probability(illegal[i], 4, &untouched) && untouched == 42);
    CHECK(!ns_threshold_of_probability(0.5, 0, &untouched) && untouched == 42);
}

int main(void) {
    test_ratio();
    test_decode();
    test_encode();
    test_randomness();
    test_rounding();
    test_decision();
    test_probability();
    return ns_test_summary();
}
