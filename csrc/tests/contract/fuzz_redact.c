#define _GNU_SOURCE /* memmem */
/* Fuzzes the redactor. The first byte says how the value is to be read. For every input: all versions of the scan give the same
 * text, the question gives the answer of the exact search, the work is bounded, what is kept is a part of the input, and a
 * secret that is planted into the input does not come out. */
#include "fuzz_main.h"
#include "redactor.h"

enum { PER_BYTE = 64, SLACK = 2048 };

static const char canary[] = "CaNaRy7sEcReT";

static ns_redactor *redactors[NS_SCAN_VERSIONS];
static size_t versions_count;

static void make_redactors(void) {
    ns_scan_version versions[NS_SCAN_VERSIONS];
    if (versions_count) return;
    versions_count = ns_scan_versions(versions);
    for (size_t i = 0; i < versions_count; i++) redactors[i] = redactor_with(NS_DETECT_ALL, versions[i].name);
}

/* The text without its markers has to be found in the input, piece by piece, in order. */
static void check_kept(const char *in, size_t size, const char *out) {
    const char *at = in, *end = in + size;
    for (size_t length; *out; out += length + 8) {
        const char *marker = strstr(out, "REDACTED");
        length = marker ? (size_t)(marker - out) : strlen(out);
        const char *found = length ? memmem(at, (size_t)(end - at), out, length) : at;
        REQUIRE(found != NULL);
        at = found + length;
        if (!marker) break;
    }
}

static void check_value(const char *text, size_t size, uint32_t as) {
    ns_redact_hits hits = {{0}, 0};
    char *expected = redacted(redactors[0], text, size, as, &hits);
    REQUIRE(hits.visited <= PER_BYTE * size + SLACK);
    ns_text value = {text, size, NS_TEXT_UTF8};
    for (size_t i = 0; i < versions_count; i++) {
        char *got = redacted(redactors[i], text, size, as, NULL);
        REQUIRE((got == NULL) == (expected == NULL));
        REQUIRE(!got || strcmp(got, expected) == 0);
        REQUIRE(ns_redact_suspect(redactors[i], &value, as) == (expected != NULL));
        free(got);
    }
    if (expected && !memchr(text, 0, size) && !memmem(text, size, "REDACTED", 8)) check_kept(text, size, expected);
    free(expected);
}

/* Plants a parameter between two ampersands at a place of the input. */
static void check_planted(const char *text, size_t size, uint32_t as) {
    if (memmem(text, size, canary, sizeof canary - 1)) return; /* the fuzzer knows it too */
    static const char *const keys[] = {
        "&token=", "&api%5Fkey=", "&X-Amz-Signature=", "&toke%6e=", "&Pass-Word=", "&user[password]="};
    const char *key = keys[size % (sizeof keys / sizeof *keys)];
    size_t place = size / 2, length = strlen(key);
    char *planted = fuzz_block(size + length + sizeof canary + 1);
    memcpy(planted, text, place);
    memcpy(planted + place, key, length);
    memcpy(planted + place + length, canary, sizeof canary - 1);
    planted[place + length + sizeof canary - 1] = '&';
    memcpy(planted + place + length + sizeof canary, text + place, size - place);
    size_t all = size + length + sizeof canary;
    if (!memchr(planted, 0, all)) {
        char *got = redacted(redactors[versions_count - 1], planted, all, as, NULL);
        REQUIRE(got != NULL && strstr(got, canary) == NULL);
        free(got);
    }
    free(planted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    make_redactors();
    if (size == 0 || size > NS_MAX_BYTES_DEFAULT - 64) return 0;
    char *exact = fuzz_copy(data + 1, size - 1);
    check_value(exact, size - 1, data[0] & 7);
    check_planted(exact, size - 1, data[0] & 3);
    free(exact);
    return 0;
}

#ifdef NS_FUZZ_MAIN

static size_t make(void) {
    static const char *const pieces[] = {
        "token=",
        "\"password\": \"",
        "\\\"token\\\":",
        "'token', '",
        "https://",
        "user:pass@",
        "a@b.cd",
        "?",
        "&",
        ";",
        "#",
        "=",
        ": ",
        "%74oken",
        "%3D",
        "%253D",
        "%22",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "eyJhbGciOiJI",
        ".eyJzdWIiOiIx",
        "4111 1111 ",
        "1111",
        "-----BEGIN PRIVATE KEY-----",
        "-----END",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_",
        "cookie: ",
        "authorization: ",
        "--token ",
        "\r\n",
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "\\",
        "\"",
        "'",
        " ",
        "SELECT * FROM t WHERE a = %s",
        "2026-11-30T22:10:59",
        "REDACTED",
        "auth: ",
        "session=",
        "sig=",
        "xn%6Fn",
        "/p/q",
        "0123456789abcdef",
        "\xc3\xa9",
    };
    size_t size = 1;
    fuzz_buffer[0] = (uint8_t)fuzz_below(8);
    for (size_t left = fuzz_below(12); left > 0; left--) {
        const char *piece = pieces[fuzz_below(sizeof pieces / sizeof *pieces)];
        memcpy(fuzz_buffer + size, piece, strlen(piece));
        size += strlen(piece);
    }
    for (size_t left = fuzz_below(4); left > 0; left--) size = fuzz_mutate(size, 1, "=:&;%@\"'\\ 1a-_[]{}");
    return size;
}

int main(int argc, char **argv) {
    int status = fuzz_main(argc, argv, 40, make);
    for (size_t i = 0; i < versions_count; i++) ns_redactor_free(redactors[i]);
    return status;
}

#endif
