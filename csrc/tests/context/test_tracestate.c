#include "context/ns_tracestate.h"

#include <string.h>

#include "ns_test.h"

#define LEGAL_KEY "abcdefghijklmnopqrstuvwxyz0123456789_-*/@"

/* Writes the members that are read to `to`, as "[key=value]" each, then '!' if one is malformed. The header is read from an
 * allocation of exactly its size, so that a sanitizer detects a read past its end. */
static void describe(const char *header, size_t length, char *to) {
    char *exact = malloc(length ? length : 1);
    CHECK(exact != NULL);
    memcpy(exact, header, length);
    const char *at = exact, *end = exact + length;
    ns_tracestate_member member;
    ns_tracestate_step step;
    while ((step = ns_tracestate_next(&at, end, &member)) == NS_TRACESTATE_MEMBER)
        to += sprintf(to, "[%.*s=%.*s]", (int)member.key_length, member.key, (int)member.value_length, member.value);
    strcpy(to, step == NS_TRACESTATE_END ? "" : "!");
    free(exact);
}

static bool reads(const char *header, const char *members) {
    char found[4096];
    describe(header, strlen(header), found);
    return strcmp(found, members) == 0;
}

static void test_lists(void) {
    CHECK(reads("", ""));
    CHECK(reads(" \t", ""));
    CHECK(reads(",, ,\t,", ""));
    CHECK(reads("a=1", "[a=1]"));
    CHECK(reads("a=1,b=2", "[a=1][b=2]"));
    CHECK(reads(" \ta=1 \t,\t b=2\t ,", "[a=1][b=2]"));
    CHECK(reads(",a=1,,b=2,", "[a=1][b=2]"));
    CHECK(reads("a=1,a=2", "[a=1][a=2]"));
    CHECK(reads("a=1,b", "[a=1]!"));
    CHECK(reads("b,a=1", "!"));
    CHECK(reads("=", "!"));
    CHECK(reads("a=", "!"));
    CHECK(reads("a= ", "!"));
    CHECK(reads("=1", "!"));
    CHECK(reads("a=1=2", "!"));
    CHECK(reads("a =1", "!"));
    CHECK(reads("a= 1", "[a= 1]"));
    CHECK(reads("a=b c", "[a=b c]"));
    CHECK(reads("a=\t1", "!"));
    CHECK(reads("a=1\n", "!"));
}

static void test_every_byte(void) {
    for (int c = 0; c < 256; c++) {
        char key[] = {'k', (char)c, '=', '1'}, first[] = {(char)c, 'k', '=', '1'}, value[] = {'k', '=', (char)c, '1'};
        char found[64];
        bool in_key = c && strchr(LEGAL_KEY, c), begins = c && strchr("abcdefghijklmnopqrstuvwxyz0123456789", c);
        describe(key, sizeof key, found);
        CHECK((strchr(found, '!') == NULL) == in_key);
        describe(first, sizeof first, found);
        if (c != ',' && c != ' ' && c != '\t') CHECK((strchr(found, '!') == NULL) == begins);
        describe(value, sizeof value, found);
        if (c != ',' && c != '!') CHECK((strchr(found, '!') == NULL) == (c >= 0x20 && c <= 0x7e && c != '='));
    }
}

static bool reads_lengths(size_t key, size_t value) {
    char header[1024], found[1100];
    memset(header, 'k', key);
    header[key] = '=';
    memset(header + key + 1, 'v', value);
    describe(header, key + 1 + value, found);
    return strchr(found, '!') == NULL;
}

static void test_lengths(void) {
    CHECK(!reads_lengths(0, 1) && reads_lengths(1, 1) && reads_lengths(256, 1) && !reads_lengths(257, 1));
    CHECK(!reads_lengths(1, 0) && reads_lengths(1, 256) && !reads_lengths(1, 257) && reads_lengths(256, 256));
}

static bool is_level1(size_t tenant, const char *rest) {
    char key[300];
    memset(key, 't', tenant);
    strcpy(key + tenant, rest);
    CHECK(ns_tracestate_is_key(key, strlen(key)));
    return ns_tracestate_is_level1_key(key, strlen(key));
}

static void test_level_1(void) {
    CHECK(is_level1(1, "") && is_level1(256, "") && is_level1(0, "a9_-*/"));
    CHECK(!is_level1(0, "1") && !is_level1(0, "1a"));
    CHECK(is_level1(0, "1@a") && is_level1(1, "@a") && is_level1(241, "@vvvvvvvvvvvvvv"));
    CHECK(!is_level1(242, "@a") && !is_level1(1, "@vvvvvvvvvvvvvvv"));
    CHECK(!is_level1(1, "@") && !is_level1(1, "@1") && !is_level1(1, "@@a") && !is_level1(1, "@a@b"));
}

int main(void) {
    test_lists();
    test_every_byte();
    test_lengths();
    test_level_1();
    return ns_test_summary();
}
