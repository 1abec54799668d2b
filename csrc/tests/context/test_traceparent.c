#include "context/ns_traceparent.h"

#include <string.h>

#include "ns_test.h"

#define TRACE  "0af7651916cd43dd8448eb211c80319c"
#define SPAN   "b7ad6b7169203331"
#define HEADER "00-" TRACE "-" SPAN "-01"

/* Reads from an allocation of exactly this size, so that a sanitizer detects a read past its end. */
static bool reads_bytes(const char *text, size_t length, ns_traceparent *parsed) {
    char *exact = malloc(length ? length : 1);
    CHECK(exact != NULL);
    memcpy(exact, text, length);
    bool accepted = ns_traceparent_read(exact, length, parsed);
    free(exact);
    return accepted;
}

static bool reads(const char *text) {
    ns_traceparent parsed = {0};
    return reads_bytes(text, strlen(text), &parsed) && parsed.trace_id_high == UINT64_C(0x0af7651916cd43dd) &&
           parsed.trace_id_low == UINT64_C(0x8448eb211c80319c) && parsed.span_id == UINT64_C(0xb7ad6b7169203331) &&
           parsed.flags == 1;
}

static bool refuses_bytes(const char *text, size_t length) {
    const ns_traceparent before = {1, 2, 3, 4};
    ns_traceparent parsed = before;
    return !reads_bytes(text, length, &parsed) && parsed.trace_id_high == 1 && parsed.trace_id_low == 2 &&
           parsed.span_id == 3 && parsed.flags == 4;
}

static bool refuses(const char *text) { return refuses_bytes(text, strlen(text)); }

static bool is_hex(int c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

static void test_every_byte_at_every_place(void) {
    char text[NS_TRACEPARENT_LENGTH];
    for (size_t i = 0; i < sizeof text; i++) {
        bool is_dash = i == 2 || i == 35 || i == 52;
        for (int c = 0; c < 256; c++) {
            memcpy(text, HEADER, sizeof text);
            text[i] = (char)c;
            ns_traceparent parsed;
            CHECK(reads_bytes(text, sizeof text, &parsed) == (is_dash ? c == '-' : is_hex(c)));
        }
    }
}

static void test_values(void) {
    ns_traceparent parsed;
    for (unsigned flags = 0; flags < 256; flags++) {
        char text[64];
        snprintf(text, sizeof text, "00-" TRACE "-" SPAN "-%02x", flags);
        CHECK(reads_bytes(text, 55, &parsed) && parsed.flags == flags);
    }
    for (unsigned version = 0; version < 256; version++) {
        char text[64];
        snprintf(text, sizeof text, "%02x-" TRACE "-" SPAN "-01", version);
        CHECK(reads(text) == (version != 0xff));
        snprintf(text, sizeof text, "%02x-" TRACE "-" SPAN "-01-", version);
        CHECK(reads(text) == (version != 0xff && version != 0));
    }
    CHECK(refuses("00-00000000000000000000000000000000-" SPAN "-01"));
    CHECK(refuses("00-" TRACE "-0000000000000000-01"));
    /* Half of a trace id may be zero. */
    CHECK(reads_bytes("00-00000000000000000000000000000001-0000000000000001-00", 55, &parsed));
    CHECK(parsed.trace_id_high == 0 && parsed.trace_id_low == 1 && parsed.span_id == 1 && parsed.flags == 0);
    CHECK(reads_bytes("00-80000000000000000000000000000000-8000000000000000-ff", 55, &parsed));
    CHECK(parsed.trace_id_high == UINT64_C(1) << 63 && parsed.trace_id_low == 0 && parsed.span_id == UINT64_C(1) << 63 &&
          parsed.flags == 0xff);
}

static void test_lengths(void) {
    for (size_t length = 0; length < NS_TRACEPARENT_LENGTH; length++) CHECK(refuses_bytes(HEADER, length));
    CHECK(reads_bytes(HEADER, NS_TRACEPARENT_LENGTH, &(ns_traceparent){0}));

    char text[NS_TRACEPARENT_MAX_LENGTH + 1];
    memset(text, 'x', sizeof text);
    memcpy(text, "01-" TRACE "-" SPAN "-01-", 56);
    CHECK(reads_bytes(text, NS_TRACEPARENT_MAX_LENGTH, &(ns_traceparent){0}));
    CHECK(refuses_bytes(text, NS_TRACEPARENT_MAX_LENGTH + 1));
    memset(text, ' ', sizeof text);
    CHECK(refuses_bytes(text, NS_TRACEPARENT_MAX_LENGTH));
    memcpy(text + NS_TRACEPARENT_MAX_LENGTH - 55, HEADER, 55);
    CHECK(reads_bytes(text, NS_TRACEPARENT_MAX_LENGTH, &(ns_traceparent){0}));
}

static void test_what_stands_around(void) {
    static const char *const legal[] = {
        HEADER "\n",
        HEADER " ",
        HEADER "\t \t",
        HEADER " \n",
        " " HEADER,
        "\t \t" HEADER " ",
        "01-" TRACE "-" SPAN "-01-",
        "fe-" TRACE "-" SPAN "-01-anything \t at all\r\v\x7f",
        "01-" TRACE "-" SPAN "-01-\n",
        "01-" TRACE "-" SPAN "-01-later\n",
        "cc-" TRACE "-" SPAN "-01 ",
    };
    static const char *const illegal[] = {
        "",
        " ",
        "\n",
        "\n" HEADER,
        HEADER "\n\n",
        HEADER "\n ",
        HEADER "\r",
        HEADER "\r\n",
        HEADER "\v",
        HEADER "\f",
        HEADER "x",
        HEADER " x",
        HEADER "1",
        HEADER "-",
        HEADER "-x",
        HEADER " -",
        "\v" HEADER,
        "\xa0" HEADER,
        "x" HEADER,
        "0" HEADER,
        "01-" TRACE "-" SPAN "-01x",
        "01-" TRACE "-" SPAN "-01.-later",
        "01-" TRACE "-" SPAN "-01 -later",
        "01-" TRACE "-" SPAN "-01-la\nter",
        "01-" TRACE "-" SPAN "-01-later\n\n",
        "ff-" TRACE "-" SPAN "-01-later",
        HEADER "," HEADER,
    };
    for (size_t i = 0; i < sizeof legal / sizeof *legal; i++) CHECK(reads(legal[i]));
    for (size_t i = 0; i < sizeof illegal / sizeof *illegal; i++) CHECK(refuses(illegal[i]));
    /* The length counts, not a terminating zero byte. */
    CHECK(refuses_bytes(HEADER "\0", 56));
    CHECK(reads_bytes("01-" TRACE "-" SPAN "-01-\0\0", 58, &(ns_traceparent){0}));
}

static void test_write(void) {
    char text[NS_TRACEPARENT_LENGTH + 1];
    text[NS_TRACEPARENT_LENGTH] = '#';
    ns_traceparent_write(text, UINT64_C(0x0af7651916cd43dd), UINT64_C(0x8448eb211c80319c), UINT64_C(0xb7ad6b7169203331), 1);
    CHECK(memcmp(text, HEADER "#", sizeof text) == 0);
    ns_traceparent_write(text, 0, 0, 0, 0);
    CHECK(memcmp(text, "00-00000000000000000000000000000000-0000000000000000-00#", sizeof text) == 0);

    uint64_t word[3] = {1, 2, 3};
    for (int round = 0; round < 100000; round++) {
        for (int i = 0; i < 3; i++) word[i] = word[i] * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint8_t flags = (uint8_t)(word[0] >> 40);
        char expected[64];
        snprintf(expected, sizeof expected, "00-%016llx%016llx-%016llx-%02x#", (unsigned long long)word[0],
                 (unsigned long long)word[1], (unsigned long long)word[2], flags);
        ns_traceparent_write(text, word[0], word[1], word[2], flags);
        CHECK(memcmp(text, expected, sizeof text) == 0);
        ns_traceparent parsed;
        CHECK(ns_traceparent_read(text, NS_TRACEPARENT_LENGTH, &parsed));
        CHECK(parsed.trace_id_high == word[0] && parsed.trace_id_low == word[1] && parsed.span_id == word[2] &&
              parsed.flags == flags);
    }
}

int main(void) {
    test_every_byte_at_every_place();
    test_values();
    test_lengths();
    test_what_stands_around();
    test_write();
    return ns_test_summary();
}
