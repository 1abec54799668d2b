/* What a redactor is made of: keys, literals, detectors, marker; and texts that are not UTF-8. */
#include "ns_test.h"
#include "contract/ns_literals.h"
#include "redactor.h"

static void check(const ns_redactor *redactor, const char *in, const char *out) {
    char *got = redacted(redactor, in, strlen(in), 0, NULL);
    if (got ? !out || strcmp(got, out) != 0 : out != NULL) fprintf(stderr, "in %s\ngot %s\n", in, got ? got : "(unchanged)");
    CHECK(got ? out && strcmp(got, out) == 0 : out == NULL);
    ns_text value = {in, strlen(in), NS_TEXT_UTF8};
    CHECK(ns_redact_suspect(redactor, &value, 0) == (out != NULL));
    free(got);
}

static void test_keys(void) {
    ns_redactor *redactor = ns_redactor_new(NS_DETECT_ALL, NS_MAX_BYTES_DEFAULT);
    CHECK(redactor && ns_redactor_add_key(redactor, "I-Ban", 5, NS_KEY_WORD_END) &&
          ns_redactor_add_key(redactor, "ky", 2, NS_KEY_WHOLE));
    CHECK(!ns_redactor_add_key(redactor, "k", 1, NS_KEY_WHOLE) && ns_redactor_add_key(redactor, "pin2", 4, NS_KEY_WHOLE) &&
          ns_redactor_add_key(redactor, "zz", 2, NS_KEY_ANY_END));
    CHECK(!ns_redactor_add_key(redactor, "", 0, NS_KEY_WHOLE) && !ns_redactor_add_key(redactor, "-_", 2, NS_KEY_WHOLE));
    CHECK(!ns_redactor_add_key(redactor, "a b", 3, NS_KEY_WHOLE) &&
          !ns_redactor_add_key(redactor, "\xc3\xa9", 2, NS_KEY_WHOLE));
    char longest[NS_KEY_MAX + 1];
    memset(longest, 'q', sizeof longest);
    CHECK(ns_redactor_add_key(redactor, longest, NS_KEY_MAX, NS_KEY_WHOLE) &&
          !ns_redactor_add_key(redactor, longest, NS_KEY_MAX + 1, NS_KEY_WHOLE));
    CHECK(ns_redactor_finish(redactor));
    check(redactor, "x?iban=1&user_iban=2&userIban=3&myiban=4&ibans=5",
          "x?iban=REDACTED&user_iban=REDACTED&userIban=REDACTED&myiban=4&ibans=5");
    check(redactor, "ky=1&aky=2&Ky=3&x.ky=4&ky", "ky=REDACTED&aky=2&Ky=REDACTED&x.ky=4&ky");
    check(redactor, "pin2=1&p%69n2=2&pin%32=3", "pin2=REDACTED&p%69n2=REDACTED&pin%32=REDACTED");
    check(redactor, "azz=1&zz: 2", "azz=REDACTED&zz: REDACTED");
    check(redactor, "zz=1/x.zz: 2", "zz=REDACTED REDACTED");
    check(redactor, "token=1", NULL);
    char pair[NS_KEY_MAX + 3], masked[NS_KEY_MAX + 10];
    snprintf(pair, sizeof pair, "%.64s=1", longest);
    snprintf(masked, sizeof masked, "%.64s=REDACTED", longest);
    check(redactor, pair, masked);
    ns_redactor_free(redactor);
}

static void test_literals(void) {
    ns_redactor *redactor = ns_redactor_new(0, NS_MAX_BYTES_DEFAULT);
    CHECK(redactor && ns_redactor_add_literal(redactor, "CANARY", 6) && ns_redactor_add_literal(redactor, "abc", 3));
    CHECK(ns_redactor_add_literal(redactor, "\xc3\xa9t\xc3\xa9", 5) && ns_redactor_add_literal(redactor, "abcdef", 6));
    CHECK(!ns_redactor_add_literal(redactor, "ab", 2) && !ns_redactor_add_literal(redactor, "x", NS_LITERAL_MAX + 1));
    for (unsigned i = 4; i < NS_LITERALS_MAX + ns_tokens_count; i++) {
        char text[16];
        int size = snprintf(text, sizeof text, "literal-%u", i);
        if (!ns_redactor_add_literal(redactor, text, (size_t)size)) CHECK(i >= NS_LITERALS_MAX);
    }
    CHECK(!ns_redactor_add_literal(redactor, "one more", 8));
    CHECK(ns_redactor_finish(redactor));
    check(redactor, "a CANARY, CANARYCANARY canary", "a REDACTED, REDACTEDREDACTED canary");
    check(redactor, "xabcdefx abcx", "xREDACTEDx REDACTEDx");
    check(redactor, "un \xc3\xa9t\xc3\xa9", "un REDACTED");
    check(redactor, "literal-700 literal-", "REDACTED literal-");
    check(redactor, "token=abd&bob@example.com 4111111111111111", NULL);
    ns_redactor_free(redactor);
}

static const struct detector {
    ns_rule rule;
    const char *in;
} detectors[] = {
    {NS_RULE_PAIR, "?token=hunter2"},
    {NS_RULE_USERINFO, "https://user:pass@host/"},
    {NS_RULE_JWT, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"},
    {NS_RULE_CREDENTIALS, "sent Bearer abc123"},
    {NS_RULE_EMAIL, "to bob@example.com"},
    {NS_RULE_EMAIL, "to=bob%40example.com"},
    {NS_RULE_CARD, "n 4111111111111111"},
    {NS_RULE_PRIVATE_KEY, "-----BEGIN PRIVATE KEY-----\nMIIE"},
    {NS_RULE_SERVICE_KEY, "AKIAIOSFODNN7EXAMPLE"},
};

/* Each detector finds its own alone, is counted alone, and finds nothing if it is off. */
static void test_detectors(void) {
    for (size_t i = 0; i < sizeof detectors / sizeof *detectors; i++) {
        const struct detector *one = &detectors[i];
        ns_redactor *only = redactor_with(1u << one->rule, NULL),
                    *others = redactor_with(NS_DETECT_ALL & ~(1u << one->rule), NULL);
        ns_redact_hits hits = {{0}, 0};
        char *got = redacted(only, one->in, strlen(one->in), 0, &hits);
        CHECK(got && hits.by_rule[one->rule] > 0);
        for (int rule = 0; rule < NS_RULES; rule++) CHECK(rule == (int)one->rule || hits.by_rule[rule] == 0);
        free(got);
        check(others, one->in, NULL);
        ns_redactor_free(only);
        ns_redactor_free(others);
    }
}

static void test_marker(void) {
    ns_redactor *redactor = ns_redactor_new(NS_DETECT_ALL, NS_MAX_BYTES_DEFAULT);
    char longest[NS_MARKER_MAX + 1] = {0};
    CHECK(redactor && !ns_redactor_set_marker(redactor, "", 0) &&
          !ns_redactor_set_marker(redactor, longest, sizeof longest));
    CHECK(ns_redactor_set_marker(redactor, "***", 3) && ns_redactor_add_key(redactor, "token", 5, NS_KEY_ANY_END));
    CHECK(ns_redactor_finish(redactor) && !ns_redactor_use_scan(redactor, "none"));
    check(redactor, "token=a&keep=ok", "token=***&keep=ok");
    check(redactor, "token=***&keep=ok", NULL);
    ns_redactor_free(redactor);
}

static void test_ints(void) {
    ns_redactor *redactor = default_redactor(), *without = redactor_with(NS_DETECT_ALL & ~(1u << NS_RULE_CARD), NULL);
    CHECK(ns_redact_int(redactor, 4111111111111111) && ns_redact_int(redactor, 378282246310005) &&
          ns_redact_int(redactor, 36227206271667));
    CHECK(!ns_redact_int(redactor, 4111111111111112) && !ns_redact_int(redactor, 0) && !ns_redact_int(redactor, INT64_MIN));
    CHECK(!ns_redact_int(redactor, INT64_MAX) && !ns_redact_int(redactor, 1700000000000000000) &&
          !ns_redact_int(redactor, -4111111111111111));
    CHECK(!ns_redact_int(without, 4111111111111111));
    ns_redactor_free(redactor);
    ns_redactor_free(without);
}

/* The question is answered for text of every width as for its UTF-8. */
static void test_widths(void) {
    static const char *const texts[] = {
        "caf?token=a", "caf?toke=a", "n 4111 1111 1111 1111 n", "?", "", "mail bob@example.com ?", "a?b"};
    ns_redactor *redactor = default_redactor();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t size = strlen(texts[i]);
        for (size_t padding = 0; padding < 3000; padding += 999) {
            uint8_t *one = calloc(size + padding + 1, 1);
            uint16_t *two = calloc(size + padding + 1, 2);
            uint32_t *four = calloc(size + padding + 1, 4);
            CHECK(one && two && four);
            for (size_t k = 0; k < size + padding; k++) {
                uint8_t byte = k < padding ? '?' : (uint8_t)texts[i][k - padding];
                one[k] = byte == '?' ? 0xE9 : byte;
                two[k] = byte == '?' ? 0x20AC : byte;
                four[k] = byte == '?' ? 0x1F600 : byte;
            }
            bool expected = i == 0 || i == 2 || i == 5;
            ns_text wide[] = {{one, size + padding, NS_TEXT_LATIN1},
                              {two, size + padding, NS_TEXT_UCS2},
                              {four, size + padding, NS_TEXT_UCS4}};
            for (size_t w = 0; w < 3; w++) CHECK(ns_redact_suspect(redactor, &wide[w], 0) == expected);
            free(one);
            free(two);
            free(four);
        }
    }
    ns_redactor_free(redactor);
}

/* A secret in a text of any length, at any place of it: the versions of the scan have many ways through a text. */
static void test_places(void) {
    static const char *const secrets[] = {
        "?token=q1 ",   " a@b.cd ",    "\"pwd\":\"q1\" ", " 4111111111111111 ", " AKIAIOSFODNN7EXAMPLE ",
        " toke%6E=q1 ", " token = q1 "};
    ns_scan_version versions[NS_SCAN_VERSIONS];
    char text[160];
    for (size_t v = ns_scan_versions(versions); v-- > 0;) {
        ns_redactor *redactor = redactor_with(NS_DETECT_ALL, versions[v].name);
        for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
            size_t length = strlen(secrets[i]);
            for (size_t size = length; size < 100; size++) {
                for (size_t at = 0; at + length <= size; at++) {
                    memset(text, 'x', size);
                    memcpy(text + at, secrets[i], length);
                    ns_text value = {text, size, NS_TEXT_UTF8};
                    CHECK(ns_redact_suspect(redactor, &value, 0));
                    text[at + length - 1] = 'x';
                }
            }
        }
        ns_redactor_free(redactor);
    }
}

int main(void) {
    test_keys();
    test_literals();
    test_detectors();
    test_marker();
    test_ints();
    test_widths();
    test_places();
    return ns_test_summary();
}
