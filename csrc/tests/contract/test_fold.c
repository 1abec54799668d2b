#include <string.h>

#include "contract/ns_fold.h"
#include "ns_test.h"

static uint64_t fold(const void *data, size_t length, uint32_t width, char *out, size_t room) {
    ns_text text = {data, length, width};
    return ns_fold_key(&text, out, room);
}

static void test_spellings(void) {
    static const char *const spellings[] = {"apikey", "api_key", "api-key", "api.key",
                                            "apiKey", "ApiKey",  "API_KEY", "--a-p.i_key_"};
    char out[16];
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        uint64_t hash = fold(spellings[i], strlen(spellings[i]), NS_TEXT_UTF8, out, sizeof out);
        CHECK(hash == ns_fold_hash("apikey", 6) && strcmp(out, "apikey") == 0);
    }
    CHECK(ns_fold_hash("apikeys", 7) != ns_fold_hash("apikey", 6));
}

static void test_widths(void) {
    static const uint8_t latin1[] = {'K', 0xE9, '-', 'Y'};
    static const uint16_t ucs2[] = {'K', 0xE9, '-', 'Y'};
    static const uint32_t ucs4[] = {'K', 0xE9, '-', 'Y'};
    static const uint16_t wide2[] = {'A', 0x20AC};
    static const uint32_t wide4[] = {'A', 0x1F600};
    char out[16];
    uint64_t expected = fold("K\xc3\xa9-Y", 5, NS_TEXT_UTF8, out, sizeof out);
    CHECK(expected != 0 && strcmp(out, "k\xc3\xa9y") == 0);
    CHECK(fold(latin1, 4, NS_TEXT_LATIN1, out, sizeof out) == expected && strcmp(out, "k\xc3\xa9y") == 0);
    CHECK(fold(ucs2, 4, NS_TEXT_UCS2, out, sizeof out) == expected &&
          fold(ucs4, 4, NS_TEXT_UCS4, out, sizeof out) == expected);
    CHECK(fold(wide2, 2, NS_TEXT_UCS2, out, sizeof out) && strcmp(out, "a\xe2\x82\xac") == 0);
    CHECK(fold(wide4, 2, NS_TEXT_UCS4, out, sizeof out) && strcmp(out, "a\xf0\x9f\x98\x80") == 0);
}

static void test_room(void) {
    char out[4];
    CHECK(fold("abc", 3, NS_TEXT_UTF8, out, 4) != 0 && fold("abcd", 4, NS_TEXT_UTF8, out, 4) == 0);
    CHECK(fold("a-b-c-", 6, NS_TEXT_UTF8, out, 4) != 0 && strcmp(out, "abc") == 0);
    CHECK(fold("", 0, NS_TEXT_UTF8, out, 4) == 0 && fold("-_.", 3, NS_TEXT_UTF8, out, 4) == 0);
}

int main(void) {
    test_spellings();
    test_widths();
    test_room();
    return ns_test_summary();
}
