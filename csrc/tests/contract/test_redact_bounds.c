/* The work for a text grows with its size and no faster, whatever is in it: counted in bytes looked at, not in time. */
#include "ns_test.h"
#include "redactor.h"

enum { LARGE = 1 << 17, SMALL = 1 << 11, PER_BYTE = 40, CAP_TEST = 1000 };

/* Each is what one search begins at, or what makes it look far. */
static const char *const units[] = {
    "token=",
    "token = ",
    "token=a",
    "token=a(",
    "token=:a",
    "a.token.",
    "a.token,",
    "token[",
    "token[0]",
    "token%5D",
    "user[token]=",
    "&token=",
    ";token=",
    ",token=",
    "&token",
    ",token",
    ";a",
    "token:",
    "token: ",
    "auth: ",
    "auth:",
    "auth: a",
    "auth:1",
    "session: aaaaaaaaaaaa ",
    "\"token\":",
    "\"token\": \"",
    "'token',",
    "('token', '",
    "\\\"token\\\": \\\"",
    "\"token\":\"x\",",
    "{\"token\":[",
    "{\"auth\":{",
    "[\"",
    "\"token\":null,",
    "\"token\",\"value\":",
    "token%3D",
    "token%253D",
    "%22token%22%3A%22",
    "%74",
    "%74%6F",
    "%5F",
    "%40",
    "a%40",
    "a%40b.c",
    "%25",
    "%252525",
    "cookie: ",
    "cookie: a\r\n",
    "'cookie: ",
    "authorization: ",
    "authorization: bearer ",
    "--token ",
    " --token",
    "-- ",
    "--a ",
    "eyJ",
    "eyJ.",
    "eyJaaaaaaaaa.",
    "eyJaaaaaaaaa.aaaa",
    ".eyJaaaaaaaaa",
    "AKIA",
    "ghp_",
    "sk-",
    "xoxb-",
    "SG.",
    "ya29.a",
    "hooks.slack.com/services/",
    "glpat-a",
    "Bearer ",
    "Bearer+",
    "Bearer%20",
    "bearer a",
    "bearer 1",
    "/Bearer+1",
    "Basic ",
    "Basic+",
    "/Basic+",
    "Basic QTpC",
    "Basic QUFB",
    "QUFB",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "-----END",
    "BEGIN",
    "-",
    "----",
    "@",
    "a@",
    "a@b",
    "a@b.cd ",
    "a:b@",
    "a:b@c ",
    "://",
    "//",
    "//a",
    "//a:b",
    "//a@",
    "//a:b@c",
    "/a@",
    "/@",
    "https://u:p@h/",
    "a.a.a@",
    "mailto:a@",
    "a,b:c@",
    "12:30@",
    "1",
    "1 ",
    "1111",
    "1111 ",
    "1111-1111-",
    "4111 1111 1111 1111 ",
    "4111111111111111",
    "4111 1111 1111 1112 ",
    "%204111",
    "a1111 1111 1111 1111",
    "=",
    ":",
    "\"",
    "'",
    "\\",
    "%",
    "_",
    ".",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    " ",
    "\n",
    "a",
    "A",
    "&",
    ";",
    ",",
    "?",
    "#",
    "<",
    "\xc3\xa9",
};

enum { UNITS = sizeof units / sizeof *units };

static char text[LARGE + 64];
static int failures;

/* `first` once, then `again` until the text is full. */
static size_t repeat(const char *first, const char *again, size_t size) {
    size_t at = strlen(first), step = strlen(again);
    memcpy(text, first, at);
    for (; at + step <= size; at += step) memcpy(text + at, again, step);
    return at;
}

static void check_work(const ns_redactor *redactor, size_t size, uint32_t as, const char *about, const char *more) {
    ns_redact_hits hits = {{0}, 0};
    free(redacted(redactor, text, size, as, &hits));
    if (hits.visited > PER_BYTE * size) {
        fprintf(stderr, "%s + %s: %zu bytes looked at for %zu\n", about, more, hits.visited, size);
        failures++;
    }
    ns_test_checks++;
}

static void test_large(void) {
    ns_redactor *redactor = capped_redactor(LARGE);
    for (size_t i = 0; i < UNITS; i++) {
        size_t size = repeat("", units[i], LARGE);
        check_work(redactor, size, 0, units[i], "");
        check_work(redactor, size, NS_AS_URL | NS_AS_OPEN_END, units[i], "");
    }
    ns_redactor_free(redactor);
}

static void test_pairs(void) {
    ns_redactor *redactor = capped_redactor(LARGE);
    char both[64];
    for (size_t i = 0; i < UNITS; i++) {
        for (size_t k = 0; k < UNITS; k++) {
            check_work(redactor, repeat(units[i], units[k], SMALL), 0, units[i], units[k]);
            snprintf(both, sizeof both, "%s%s", units[i], units[k]);
            check_work(redactor, repeat("", both, SMALL), 0, both, "");
        }
    }
    ns_redactor_free(redactor);
}

static void test_cap(void) {
    ns_redactor *redactor = capped_redactor(CAP_TEST);
    for (size_t size = CAP_TEST; size <= CAP_TEST + 1; size++) {
        ns_redact_hits hits = {{0}, 0};
        ns_text value = {text, repeat("", "a", size), NS_TEXT_UTF8};
        char *got = redacted(redactor, text, size, 0, &hits);
        bool over = size > CAP_TEST;
        CHECK(over == (got && strcmp(got, "REDACTED") == 0) && hits.by_rule[NS_RULE_OVER_CAP] == over && hits.visited == 0);
        CHECK(ns_redact_suspect(redactor, &value, 0) == over);
        free(got);
    }
    ns_redactor_free(redactor);
}

/* With more secrets than there is room for, the value is masked as a whole. */
static void test_many(void) {
    ns_redactor *redactor = default_redactor();
    for (size_t count = NS_FOUND_MAX; count <= NS_FOUND_MAX + 1; count++) {
        ns_redact_hits hits = {{0}, 0};
        char *got = redacted(redactor, text, repeat("", "token=a&", 8 * count), 0, &hits);
        CHECK(got != NULL);
        bool over = count > NS_FOUND_MAX;
        CHECK(hits.by_rule[NS_RULE_OVER_CAP] == over && hits.by_rule[NS_RULE_PAIR] == (over ? 0 : count));
        CHECK(over == (strcmp(got, "REDACTED") == 0));
        free(got);
    }
    ns_redactor_free(redactor);
}

int main(void) {
    test_cap();
    test_many();
    test_large();
    test_pairs();
    CHECK(failures == 0);
    return ns_test_summary();
}
