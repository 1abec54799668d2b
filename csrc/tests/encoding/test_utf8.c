#include "encoding/ns_utf8.h"

#include <string.h>

#include "encoding/decoder.h"
#include "ns_test.h"

/* Decodes one code point of valid UTF-8. */
static uint32_t point_of(const uint8_t *bytes, size_t size) {
    static const uint8_t first_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t point = bytes[0] & first_bits[size];
    for (size_t i = 1; i < size; i++) point = point << 6 | (bytes[i] & 0x3F);
    return point;
}

static bool is_surrogate(uint32_t point) { return point >= 0xD800 && point < 0xE000; }

static void check_point(uint32_t width, const void *data, uint32_t point) {
    ns_text text = {.data = data, .length = 1, .width = width};
    uint8_t out[8];
    memset(out, 0xEE, sizeof out);
    size_t size = ns_utf8_size(&text);
    size_t replaced = ns_utf8_write(&text, out);
    bool encodable = point <= 0x10FFFF && !is_surrogate(point);
    CHECK(replaced == !encodable);
    CHECK(size >= 1 && size <= 4 && out[size] == 0xEE && otlp_is_utf8(out, size));
    CHECK(point_of(out, size) == (encodable ? point : 0xFFFD));
}

static void test_every_code_point(void) {
    for (uint32_t point = 0; point < 0x110010; point++) {
        check_point(NS_TEXT_UCS4, &point, point);
        uint16_t two = (uint16_t)point;
        if (point <= 0xFFFF) check_point(NS_TEXT_UCS2, &two, point);
        uint8_t one = (uint8_t)point;
        if (point <= 0xFF) check_point(NS_TEXT_LATIN1, &one, point);
    }
    for (uint32_t bit = 21; bit < 32; bit++) check_point(NS_TEXT_UCS4, &(uint32_t){1u << bit}, 1u << bit);
}

/* In an array of code points a surrogate pair is two lone surrogates, not one character. */
static void test_mixed_text(void) {
    const uint16_t points[] = {'a', 0xD83D, 0xDE00, 0xE9, 0xDFFF, 0x20AC};
    ns_text text = {.data = points, .length = 6, .width = NS_TEXT_UCS2};
    const char expected[] = "a\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xe2\x82\xac";
    uint8_t out[32];
    CHECK(ns_utf8_size(&text) == sizeof expected - 1);
    CHECK(ns_utf8_write(&text, out) == 3);
    CHECK(memcmp(out, expected, sizeof expected - 1) == 0);
}

static void test_finished_text(void) {
    uint8_t out[4] = {0};
    ns_text text = {.data = "\xc3\xa9!", .length = 3, .width = NS_TEXT_UTF8};
    CHECK(ns_utf8_size(&text) == 3 && ns_utf8_write(&text, out) == 0 && memcmp(out, "\xc3\xa9!", 4) == 0);
    ns_text nothing = {.data = NULL, .length = 0, .width = NS_TEXT_UTF8};
    CHECK(ns_utf8_size(&nothing) == 0 && ns_utf8_write(&nothing, out) == 0);
}

int main(void) {
    test_every_code_point();
    test_mixed_text();
    test_finished_text();
    return ns_test_summary();
}
