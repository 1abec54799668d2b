/* A patched span must equal, byte for byte, the encoder's output for the expected tracestate. */
#include "tail/ns_patch_threshold.h"

#include <string.h>

#include "encoding/ns_otlp.h"
#include "ns_test.h"

#define TH(digits) UINT64_C(0x##digits) /* all fourteen digits */

enum { HAS_PARENT = 1, HAS_REST = 2 };

/* Encodes a span with this tracestate into an allocation of its own. */
static uint8_t *encode(const char *state, size_t state_size, int shape, size_t *size) {
    ns_buf buf;
    ns_buf_init(&buf, NULL, 0, 1 << 20);
    ns_span_head head = {
        .trace_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
        .span_id = {0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8},
        .parent_span_id = {0xB1, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8},
        .has_parent = (shape & HAS_PARENT) != 0,
        .trace_state = {.data = state, .length = state_size},
    };
    ns_text key = {.data = "ot=th:1", .length = 7};
    if (shape & HAS_REST) {
        head.kind = 2;
        head.start_time = 1700000000000000001;
        head.end_time = 1700000000000000002;
        head.name = (ns_text){.data = "GET /", .length = 5};
    }
    ns_otlp_span_begin(&buf, &head);
    if (shape & HAS_REST) {
        ns_otlp_key_value_text(&buf, NS_TAG_SPAN_ATTRIBUTE, &key, &key);
        ns_otlp_span_end(&buf, &(ns_span_tail){.flags = 0x303, .has_status = true, .status_code = 2});
    }
    CHECK(!buf.failed);
    uint8_t *span = malloc(buf.len);
    CHECK(span != NULL);
    memcpy(span, buf.data, buf.len);
    *size = buf.len;
    ns_buf_free(&buf);
    return span;
}

static bool sized_becomes(const char *state, size_t state_size, int shape, int action, uint64_t threshold,
                          const char *expected, size_t expected_size, uint64_t refusals) {
    size_t size, wanted_size;
    uint64_t unchanged = 7;
    uint8_t *span = encode(state, state_size, shape, &size), *wanted = encode(expected, expected_size, shape, &wanted_size);
    uint8_t *out = malloc(size + NS_PATCH_THRESHOLD_ROOM);
    CHECK(out != NULL);
    size_t got = ns_patch_threshold_span(span, size, action, threshold, out, &unchanged);
    bool same = got == wanted_size && memcmp(out, wanted, got) == 0 && unchanged == 7 + refusals;
    if (!same) fprintf(stderr, "\"%.*s\" did not become \"%.*s\"\n", (int)state_size, state, (int)expected_size, expected);
    free(span);
    free(wanted);
    free(out);
    return same;
}

/* For spans of every shape. */
static bool becomes(const char *state, int action, uint64_t threshold, const char *expected) {
    for (int shape = 0; shape < 4; shape++)
        if (!sized_becomes(state, strlen(state), shape, action, threshold, expected, strlen(expected), 0)) return false;
    return true;
}

static bool raises(const char *state, uint64_t threshold, const char *expected) {
    return becomes(state, NS_TH_RAISE, threshold, expected);
}

static bool erases(const char *state, const char *expected) { return becomes(state, NS_TH_ERASE, 0, expected); }

static void test_leave(void) {
    const char *const states[] = {"", "a=1", "ot=th:8", "a=1,ot=th:8;", "ot="};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        CHECK(becomes(states[i], NS_TH_LEAVE, TH(ff000000000000), states[i]));
}

static void test_raise(void) {
    CHECK(raises("", TH(80000000000000), "ot=th:8"));
    CHECK(raises("", 0, "ot=th:0"));
    CHECK(raises("", TH(ffffffffffffff), "ot=th:ffffffffffffff"));
    CHECK(raises("a=1", TH(80000000000000), "ot=th:8,a=1"));
    CHECK(raises("ot=th:8", TH(c0000000000000), "ot=th:c"));
    CHECK(raises("ot=th:8", TH(80000000000001), "ot=th:80000000000001"));
    CHECK(raises("ot=th:00", TH(10000000000000), "ot=th:1"));
    CHECK(raises("a=1,ot=rv:6e6d1a75832a2f;th:8;x:y,b=2", TH(c0000000000000), "ot=th:c;rv:6e6d1a75832a2f;x:y,a=1,b=2"));
    CHECK(raises("a=1,ot=rv:6e6d1a75832a2f,b=2", TH(c0000000000000), "ot=th:c;rv:6e6d1a75832a2f,a=1,b=2"));
}

/* Nothing to raise: even the position of the member stays. */
static void test_raise_below_own(void) {
    CHECK(raises("ot=th:8", TH(80000000000000), "ot=th:8"));
    CHECK(raises("a=1 , ot=x:y;th:8", TH(7fffffffffffff), "a=1 , ot=x:y;th:8"));
    CHECK(raises("a=1,ot=x:y;th:80", TH(80000000000000), "a=1,ot=x:y;th:80"));
    CHECK(raises("ot=th:0", 0, "ot=th:0"));
    CHECK(raises("ot=th:ffffffffffffff", TH(ffffffffffffff), "ot=th:ffffffffffffff"));
}

static void test_raise_over_malformed(void) {
    CHECK(raises("ot=", TH(80000000000000), "ot=th:8"));
    CHECK(raises("a=1,ot=th:c;,b=2", TH(80000000000000), "ot=th:8,a=1,b=2"));
    CHECK(raises("ot=x:1;x:1,ot=th:c", TH(80000000000000), "ot=th:8"));
    CHECK(raises("ot=th:C;x:1", TH(80000000000000), "ot=th:8;x:1"));
}

static void test_erase(void) {
    CHECK(erases("ot=th:8", ""));
    CHECK(erases("ot=th:8,a=1,b=2", "a=1,b=2"));
    CHECK(erases("a=1,ot=th:8,b=2", "a=1,b=2"));
    CHECK(erases("a=1,ot=rv:6e6d1a75832a2f;th:8;x:y,b=2", "ot=rv:6e6d1a75832a2f;x:y,a=1,b=2"));
    CHECK(erases("ot=th:C;x:1", "ot=x:1")); /* not a threshold here, but perhaps to a lenient reader */
}

static void test_erase_nothing(void) {
    CHECK(erases("", ""));
    CHECK(erases("a=1, b=2", "a=1, b=2"));
    CHECK(erases("a=1, ot=rv:6e6d1a75832a2f;x:y", "a=1, ot=rv:6e6d1a75832a2f;x:y"));
    CHECK(erases("a=1, ot=th:8;", "a=1, ot=th:8;"));
    CHECK(erases("ot=", "ot="));
}

/* Tracestates near the sizes at which the varint of their length grows or shrinks by a byte. */
static void test_lengths(void) {
    static char state[16500], expected[16600];
    const size_t ranges[][2] = {{3, 160}, {8192, 8192}, {16340, 16400}};
    for (size_t range = 0; range < sizeof ranges / sizeof *ranges; range++) {
        for (size_t size = ranges[range][0]; size <= ranges[range][1]; size++) {
            memset(state, 'x', size);
            memcpy(state, "a=", 2);
            size_t longer = (size_t)sprintf(expected, "ot=th:80000000000001,");
            memcpy(expected + longer, state, size);
            CHECK(sized_becomes(state, size, HAS_PARENT | HAS_REST, NS_TH_RAISE, TH(80000000000001), expected, longer + size,
                                0));
            CHECK(sized_becomes(expected, longer + size, HAS_PARENT | HAS_REST, NS_TH_ERASE, 0, state, size, 0));
        }
    }
}

static void test_refusals(void) {
    char state[3 + 256] = "ot=a:";
    memset(state + 5, 'x', sizeof state - 5);
    for (size_t size = 3 + 251; size <= 3 + 256; size++) {
        bool fits = size == 3 + 251; /* "th:8;" takes five */
        char expected[3 + 256] = "ot=th:8;";
        memcpy(expected + 8, state + 3, 251);
        CHECK(sized_becomes(state, size, HAS_REST, NS_TH_RAISE, TH(80000000000000), fits ? expected : state,
                            fits ? sizeof expected : size, !fits));
        CHECK(sized_becomes(state, size, HAS_REST, NS_TH_ERASE, 0, state, size, 0));
    }
}

/* In a truncated span, a truncated trace state is copied unchanged; bytes after the trace state are not read. */
static void test_cut_short(void) {
    size_t size, state_end = 18 + 10 + 2 + 11;
    uint8_t *span = encode("a=1,ot=th:8", 11, HAS_REST, &size);
    for (size_t cut = 1; cut < size; cut++) {
        uint8_t *exact = malloc(cut), *out = malloc(cut + NS_PATCH_THRESHOLD_ROOM);
        CHECK(exact && out);
        memcpy(exact, span, cut);
        bool broken = cut != 18 && cut != 28 && cut < state_end;
        uint64_t unchanged = 0;
        size_t got = ns_patch_threshold_span(exact, cut, NS_TH_ERASE, 0, out, &unchanged);
        CHECK(unchanged == broken);
        CHECK(got == (cut < state_end ? cut : cut - 8));
        CHECK(cut >= state_end || memcmp(out, exact, cut) == 0);
        free(exact);
        free(out);
    }
    free(span);

    /* A length above any span's, and one with more bytes than a varint may have. */
    const uint8_t broken[][14] = {{0x1a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
                                  {0x1a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        uint8_t out[sizeof broken[i] + NS_PATCH_THRESHOLD_ROOM];
        uint64_t unchanged = 0;
        size_t got = ns_patch_threshold_span(broken[i], sizeof broken[i], NS_TH_RAISE, 1, out, &unchanged);
        CHECK(got == sizeof broken[i] && unchanged == 1 && memcmp(out, broken[i], got) == 0);
    }
}

int main(void) {
    test_leave();
    test_raise();
    test_raise_below_own();
    test_raise_over_malformed();
    test_erase();
    test_erase_nothing();
    test_lengths();
    test_refusals();
    test_cut_short();
    return ns_test_summary();
}
