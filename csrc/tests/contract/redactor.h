/* A redactor with the keys that are sensitive by default, and calls that take zero-terminated text. */
#ifndef REDACTOR_H
#define REDACTOR_H

#include <stdlib.h>
#include <string.h>

#include "contract/ns_redact.h"
#include "ns_require.h"

typedef struct default_key {
    const char *key;
    uint32_t flags;
} default_key;

/* The same as in src/nanospan/contract/redaction/_defaults.py. */
static const default_key default_keys[] = {
    {"token", NS_KEY_ANY_END},
    {"password", NS_KEY_ANY_END},
    {"passwd", NS_KEY_ANY_END},
    {"pwd", NS_KEY_ANY_END},
    {"passphrase", NS_KEY_ANY_END},
    {"secret", NS_KEY_ANY_END},
    {"apikey", NS_KEY_ANY_END},
    {"accesskey", NS_KEY_ANY_END},
    {"accesskeyid", NS_KEY_ANY_END},
    {"secretkey", NS_KEY_ANY_END},
    {"privatekey", NS_KEY_ANY_END},
    {"subscriptionkey", NS_KEY_ANY_END},
    {"sessionid", NS_KEY_ANY_END},
    {"sessid", NS_KEY_ANY_END},
    {"credential", NS_KEY_WORD_END | NS_KEY_WEAK},
    {"credentials", NS_KEY_WORD_END | NS_KEY_WEAK},
    {"session", NS_KEY_WORD_END | NS_KEY_WEAK},
    {"jwt", NS_KEY_WORD_END | NS_KEY_WEAK},
    {"auth", NS_KEY_WORD_END | NS_KEY_WEAK},
    {"signature", NS_KEY_WORD_END | NS_KEY_WEAK},
    {"sig", NS_KEY_WHOLE | NS_KEY_WEAK},
    {"csrf", NS_KEY_WORD_END | NS_KEY_WEAK},
    {"xsrf", NS_KEY_WORD_END | NS_KEY_WEAK},
    {"authorization", NS_KEY_ANY_END | NS_KEY_LINE},
    {"cookie", NS_KEY_WORD_END | NS_KEY_LINE},
};

static inline ns_redactor *redactor_of(uint32_t detectors, const char *scan, size_t max_bytes) {
    ns_redactor *made = ns_redactor_new(detectors, max_bytes);
    REQUIRE(made != NULL);
    for (size_t i = 0; i < sizeof default_keys / sizeof *default_keys; i++) {
        REQUIRE(ns_redactor_add_key(made, default_keys[i].key, strlen(default_keys[i].key), default_keys[i].flags));
    }
    REQUIRE(ns_redactor_finish(made));
    if (scan) REQUIRE(ns_redactor_use_scan(made, scan));
    return made;
}

static inline ns_redactor *redactor_with(uint32_t detectors, const char *scan) {
    return redactor_of(detectors, scan, NS_MAX_BYTES_DEFAULT);
}

static inline ns_redactor *capped_redactor(size_t max_bytes) { return redactor_of(NS_DETECT_ALL, NULL, max_bytes); }

static inline ns_redactor *default_redactor(void) { return redactor_with(NS_DETECT_ALL, NULL); }

/* Returns the redacted text, to be freed, or NULL if nothing is to be masked. */
static inline char *redacted(const ns_redactor *redactor, const char *text, size_t size, uint32_t as, ns_redact_hits *hits) {
    ns_buf out;
    ns_redact_hits none = {0};
    ns_buf_init(&out, NULL, 0, SIZE_MAX / 2);
    size_t count = ns_redact_utf8(redactor, text, size, as, &out, hits ? hits : &none);
    REQUIRE(!out.failed);
    char *made = NULL;
    if (count) {
        made = malloc(out.len + 1);
        REQUIRE(made != NULL);
        if (out.len) memcpy(made, out.data, out.len);
        made[out.len] = 0;
    } else {
        REQUIRE(out.len == 0);
    }
    ns_buf_free(&out);
    return made;
}

#endif
