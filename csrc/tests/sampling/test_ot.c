#include "sampling/ns_ot.h"

#include <string.h>

#include "ns_test.h"
#include "sampling/ns_threshold.h"

#define TH(digits) UINT64_C(0x##digits) /* all fourteen digits */

static bool reads(const char *value, uint64_t threshold, uint64_t randomness) {
    ns_ot ot;
    return ns_ot_read(value, strlen(value), &ot) && ot.has_threshold == (threshold != NS_OT_NONE) &&
           ot.has_randomness == (randomness != NS_OT_NONE) && ot.threshold == (ot.has_threshold ? threshold : 0) &&
           ot.randomness == (ot.has_randomness ? randomness : 0);
}

static bool refuses(const char *value, size_t size) {
    ns_ot ot = {true, true, 1, 2};
    return !ns_ot_read(value, size, &ot) && !ot.has_threshold && !ot.has_randomness && ot.threshold == 0 &&
           ot.randomness == 0;
}

/* Each value in an allocation of its own, so that a sanitizer detects an access past its end. */
static bool writes(const char *old, uint64_t threshold, uint64_t randomness, const char *expected) {
    size_t size = strlen(old);
    char *exact = malloc(size + 1), *out = malloc(NS_OT_MAX_LENGTH);
    CHECK(exact && out);
    memcpy(exact, old, size);
    int length = ns_ot_write(exact, size, threshold, randomness, out);
    bool same = expected ? length == (int)strlen(expected) && memcmp(out, expected, (size_t)length) == 0 : length == -1;
    if (!same) fprintf(stderr, "\"%s\" became \"%.*s\" (%d)\n", old, length > 0 ? length : 0, out, length);
    free(exact);
    free(out);
    return same;
}

static void test_read(void) {
    CHECK(reads("th:8", TH(80000000000000), NS_OT_NONE));
    CHECK(reads("th:c", TH(c0000000000000), NS_OT_NONE));
    CHECK(reads("th:028f", TH(028f0000000000), NS_OT_NONE));
    CHECK(reads("th:0", 0, NS_OT_NONE));
    CHECK(reads("th:00", 0, NS_OT_NONE));
    CHECK(reads("th:ffffffffffffff", TH(ffffffffffffff), NS_OT_NONE));
    CHECK(reads("rv:9b8233f7e3a151", NS_OT_NONE, TH(9b8233f7e3a151)));
    CHECK(reads("rv:00000000000000", NS_OT_NONE, 0));
    CHECK(reads("th:fd70a;rv:6e6d1a75832a2f", TH(fd70a000000000), TH(6e6d1a75832a2f)));
    CHECK(reads("rv:6e6d1a75832a2f;th:fd70a", TH(fd70a000000000), TH(6e6d1a75832a2f)));
    CHECK(reads("a:;th:8;b2c:x.Y_z-9;rv:6e6d1a75832a2f", TH(80000000000000), TH(6e6d1a75832a2f)));
    CHECK(reads("p:8;r:62", NS_OT_NONE, NS_OT_NONE));
    CHECK(reads("t:8;thr:8;h:8;rvv:6e6d1a75832a2f;th2:8", NS_OT_NONE, NS_OT_NONE));
}

/* Grammatical, but not a threshold or randomness: absent, while the other items count. */
static void test_read_senseless_numbers(void) {
    const char *const thresholds[] = {"th:", "th:000000000000000", "th:C", "th:-1", "th:1_0", "th:g", "th:0x8"};
    for (size_t i = 0; i < sizeof thresholds / sizeof *thresholds; i++) {
        CHECK(reads(thresholds[i], NS_OT_NONE, NS_OT_NONE));
        char both[64];
        snprintf(both, sizeof both, "%s;rv:6e6d1a75832a2f", thresholds[i]);
        CHECK(reads(both, NS_OT_NONE, TH(6e6d1a75832a2f)));
    }
    const char *const randomnesses[] = {"rv:", "rv:8", "rv:6e6d1a75832a2", "rv:6e6d1a75832a2f0", "rv:6E6D1A75832A2F"};
    for (size_t i = 0; i < sizeof randomnesses / sizeof *randomnesses; i++) {
        char both[64];
        snprintf(both, sizeof both, "th:8;%s", randomnesses[i]);
        CHECK(reads(both, TH(80000000000000), NS_OT_NONE));
    }
}

static void test_read_malformed(void) {
    const char *const malformed[] = {
        "",
        ";",
        "th",
        "th8",
        ":8",
        "th=8",
        "th:8;",
        ";th:8",
        "th:8;;rv:6e6d1a75832a2f",
        "th:8;th:8",
        "th:8;th:4",
        "th:8;a:1;a:1",
        "rv:6e6d1a75832a2f;rv:6e6d1a75832a2f",
        "th:8;a:1;b:2;c:3;b:4",
        "Th:8",
        "1a:8",
        "_a:8",
        "t_h:8",
        "t h:8",
        " th:8",
        "th: 8",
        "th:8 ",
        "th:8; a:1",
        "th:+8",
        "th:8,a:1",
        "th:8:8",
        "th:8;a:\xc3\xa9",
        "th:8;a:~",
        "th:8;a",
        "th:8;a:/",
        "th:8;a:@",
        "th:8;a:[",
        "th:8;a:`",
        "th:8;a:{",
        "th:8;`:1",
        "th:8;{:1",
        "th:8;a/:1",
        "th:8;a;b:1",
    };
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) CHECK(refuses(malformed[i], strlen(malformed[i])));
    CHECK(refuses(NULL, 0));
    CHECK(refuses("th:8\0", 5)); /* the size counts, not a terminating zero byte */
    CHECK(refuses("th:8;a\0:1", 9));
}

static void test_read_max_length(void) {
    char value[NS_OT_MAX_LENGTH + 1] = "th:8;a:";
    memset(value + 7, 'x', sizeof value - 7);
    ns_ot ot;
    CHECK(ns_ot_read(value, NS_OT_MAX_LENGTH, &ot) && ot.has_threshold && ot.threshold == TH(80000000000000));
    CHECK(refuses(value, NS_OT_MAX_LENGTH + 1));

    /* As many items as fit: of one letter, then of a letter and a digit. */
    char many[NS_OT_MAX_LENGTH + 8];
    size_t size = 0;
    for (char c = 'a'; c <= 'z'; c++) size += (size_t)sprintf(many + size, "%c:;", c);
    for (int i = 0; size + 4 <= NS_OT_MAX_LENGTH; i++) size += (size_t)sprintf(many + size, "%c%d:;", 'a' + i / 10, i % 10);
    CHECK(ns_ot_read(many, size - 1, &ot) && !ot.has_threshold);
    CHECK(refuses(many, size));
}

static void test_write(void) {
    CHECK(writes("", TH(80000000000000), NS_OT_NONE, "th:8"));
    CHECK(writes("", 0, NS_OT_NONE, "th:0"));
    CHECK(writes("", TH(ffffffffffffff), NS_OT_NONE, "th:ffffffffffffff"));
    CHECK(writes("", TH(028f0000000000), NS_OT_NONE, "th:028f"));
    CHECK(writes("", NS_OT_NONE, NS_OT_NONE, ""));
    CHECK(writes("", NS_OT_NONE, TH(0000000000002f), "rv:0000000000002f"));
    CHECK(writes("", TH(80000000000000), TH(6e6d1a75832a2f), "th:8;rv:6e6d1a75832a2f"));
    CHECK(writes("th:8", TH(c0000000000000), NS_OT_NONE, "th:c"));
    CHECK(writes("th:c", TH(80000000000000), NS_OT_NONE, "th:8")); /* the caller must not lower a threshold */
    CHECK(writes("th:8", NS_OT_NONE, NS_OT_NONE, ""));
    CHECK(writes("th:8;rv:6e6d1a75832a2f", NS_OT_NONE, NS_OT_NONE, "rv:6e6d1a75832a2f"));
    CHECK(writes("rv:6e6d1a75832a2f;th:8", TH(c0000000000000), NS_OT_NONE, "th:c;rv:6e6d1a75832a2f"));
    CHECK(writes("a:1;th:8;b:2;rv:6e6d1a75832a2f;c:", TH(c0000000000000), NS_OT_NONE, "th:c;a:1;b:2;rv:6e6d1a75832a2f;c:"));
    CHECK(writes("a:1;th:8;b:2", NS_OT_NONE, TH(00000000000001), "rv:00000000000001;a:1;b:2"));
    CHECK(writes("a:1", NS_OT_NONE, NS_OT_NONE, "a:1"));
    CHECK(ns_ot_write(NULL, 0, NS_OT_NONE, NS_OT_NONE, (char[NS_OT_MAX_LENGTH]){0}) == 0);
}

static void test_write_keeps_randomness(void) {
    CHECK(writes("rv:6e6d1a75832a2f", NS_OT_NONE, TH(00000000000001), "rv:6e6d1a75832a2f"));
    CHECK(writes("a:1;rv:6e6d1a75832a2f", 0, TH(00000000000001), "th:0;a:1;rv:6e6d1a75832a2f"));
    CHECK(writes("a:1;rv:6e6d;b:2", NS_OT_NONE, NS_OT_NONE, "a:1;rv:6e6d;b:2"));
    CHECK(writes("a:1;rv:6e6d;b:2", NS_OT_NONE, TH(00000000000001), "rv:00000000000001;a:1;b:2"));
    CHECK(writes("th:XX;a:1", NS_OT_NONE, NS_OT_NONE, "a:1"));
    CHECK(writes("th:XX;a:1", 0, NS_OT_NONE, "th:0;a:1"));
}

static void test_write_over_malformed(void) {
    CHECK(writes("th:8;", TH(c0000000000000), NS_OT_NONE, "th:c"));
    CHECK(writes("a:1;a:1", TH(c0000000000000), TH(00000000000001), "th:c;rv:00000000000001"));
    CHECK(writes("a:1;;rv:6e6d1a75832a2f", NS_OT_NONE, NS_OT_NONE, ""));
}

static void test_write_max_length(void) {
    char value[NS_OT_MAX_LENGTH + 2] = "a:", expected[2 * NS_OT_MAX_LENGTH];
    memset(value + 2, 'x', sizeof value - 3);
    /* "th:8;" has five characters. */
    value[NS_OT_MAX_LENGTH - 5] = 0;
    snprintf(expected, sizeof expected, "th:8;%s", value);
    CHECK(strlen(expected) == NS_OT_MAX_LENGTH && writes(value, TH(80000000000000), NS_OT_NONE, expected));
    CHECK(writes(value, TH(88000000000000), NS_OT_NONE, NULL));
    CHECK(writes(value, TH(80000000000000), TH(00000000000001), NULL));
    CHECK(writes(value, NS_OT_NONE, NS_OT_NONE, value));
    value[NS_OT_MAX_LENGTH - 5] = 'x';
    value[NS_OT_MAX_LENGTH] = 0;
    CHECK(writes(value, TH(80000000000000), NS_OT_NONE, NULL));
    CHECK(writes(value, NS_OT_NONE, NS_OT_NONE, value));
    value[NS_OT_MAX_LENGTH] = 'x';
    CHECK(writes(value, TH(80000000000000), NS_OT_NONE, "th:8"));
}

static bool finds(const char *header, const char *expected) {
    const char *value = NULL;
    size_t size = 0;
    bool found = ns_ot_find(header, strlen(header), &value, &size);
    if (!expected) return !found && !value;
    return found && size == strlen(expected) && memcmp(value, expected, size) == 0;
}

static void test_find(void) {
    CHECK(finds("ot=th:8", "th:8"));
    CHECK(finds("ot=th:8,a=1", "th:8"));
    CHECK(finds("a=1,ot=th:8", "th:8"));
    CHECK(finds("a=1 ,\tot=th:8 \t, b=2", "th:8"));
    CHECK(finds("a=1,ot= th:8", " th:8")); /* a blank before the value belongs to it */
    CHECK(finds(",,ot=,", ""));
    CHECK(finds("ot=x,ot=y", "x"));
    CHECK(finds("a=ot=1,t@ot=th:8,not=th:8,ott=1,Ot=1,ot", NULL));
    CHECK(finds("ot =th:8", NULL));
    CHECK(finds("", NULL));
    CHECK(!ns_ot_find(NULL, 0, &(const char *){0}, &(size_t){0}));
    CHECK(!ns_ot_find("ot=1", 2, &(const char *){0}, &(size_t){0}));
}

static bool header_becomes(const char *header, const char *ot, const char *expected) {
    size_t size = strlen(header), ot_size = strlen(ot);
    char *out = malloc(size + ot_size + 4);
    CHECK(out != NULL);
    size_t length = ns_ot_in_header(header, size, ot, ot_size, out);
    bool same = length == strlen(expected) && memcmp(out, expected, length) == 0;
    if (!same) fprintf(stderr, "\"%s\" became \"%.*s\"\n", header, (int)length, out);
    free(out);
    return same;
}

static void test_in_header(void) {
    CHECK(header_becomes("", "th:8", "ot=th:8"));
    CHECK(header_becomes("", "", ""));
    CHECK(header_becomes("ot=x", "", ""));
    CHECK(header_becomes("ot=x", "th:8", "ot=th:8"));
    CHECK(header_becomes("a=1,b=2", "th:8", "ot=th:8,a=1,b=2"));
    CHECK(header_becomes("a=1,ot=x,b=2", "th:8", "ot=th:8,a=1,b=2"));
    CHECK(header_becomes("a=1,ot=x,b=2", "", "a=1,b=2"));
    CHECK(header_becomes("a=1,b=2,ot=x", "", "a=1,b=2"));
    CHECK(header_becomes("ot=x,a=1,b=2", "", "a=1,b=2"));
    CHECK(header_becomes("ot=x,a=1,ot=y", "th:8", "ot=th:8,a=1"));
    CHECK(header_becomes("z=1,m@a=!\"~ {},y=ot=2,no/equals", "th:8", "ot=th:8,z=1,m@a=!\"~ {},y=ot=2,no/equals"));
    CHECK(header_becomes(" a=1 ,\t b= 2 2,, ,ot=x ", "th:8", "ot=th:8,a=1,b= 2 2"));
    CHECK(ns_ot_in_header(NULL, 0, NULL, 0, (char[4]){0}) == 0);
}

/* Members m0=0 to m<count-1>=<count-1>, with `ot` among them at one position. */
static void list_members(char *header, unsigned count, unsigned ot_at) {
    *header = 0;
    for (unsigned i = 0; i < count; i++) {
        char one[32];
        if (i == ot_at) strcat(header, i ? ",ot=x" : "ot=x");
        snprintf(one, sizeof one, "%sm%u=%u", *header ? "," : "", i, i);
        strcat(header, one);
    }
}

static void test_member_limit(void) {
    char header[512], left[512], expected[600];
    const unsigned nowhere = 99;
    for (unsigned count = 30; count <= 33; count++) {
        for (unsigned ot_at = 0; ot_at <= nowhere; ot_at += ot_at < 32 ? 1 : nowhere - ot_at) {
            list_members(header, count, ot_at);
            list_members(left, count < 31 ? count : 31, nowhere);
            snprintf(expected, sizeof expected, "ot=th:8,%s", left);
            CHECK(header_becomes(header, "th:8", expected));
            list_members(left, count < 32 ? count : 32, nowhere);
            CHECK(header_becomes(header, "", left));
            if (ot_at == nowhere) break;
        }
    }
}

int main(void) {
    test_read();
    test_read_senseless_numbers();
    test_read_malformed();
    test_read_max_length();
    test_write();
    test_write_keeps_randomness();
    test_write_over_malformed();
    test_write_max_length();
    test_find();
    test_in_header();
    test_member_limit();
    return ns_test_summary();
}
