/* Masks secrets in text.
 *
 * A redactor is built once and is immutable from then on: any number of threads may use it. It has sensitive keys, texts that
 * the user named, and detectors for secrets that show by their form; ns_find.h lists the rules.
 *
 *     ns_redact_suspect   whether there is anything to mask: the question that is asked of every value
 *     ns_redact_utf8      the text with markers in place of the secrets; every other byte is kept as it came
 *
 * Both look at each byte a bounded number of times. Of a value longer than `max_bytes` nothing is looked at: the marker takes
 * the place of all of it. The same is done for a value with more than NS_FOUND_MAX secrets.
 */
#ifndef NS_REDACT_H
#define NS_REDACT_H

#include "base/ns_text.h"
#include "contract/search/ns_find.h"
#include "encoding/ns_buf.h"

enum {
    NS_DETECT_ALL = (1 << NS_RULE_LITERAL) - 1,
    NS_MAX_BYTES_DEFAULT = 64 * 1024,
    NS_MARKER_MAX = 64,
    NS_LITERAL_MIN = 3,
    NS_LITERAL_MAX = 1024,
    NS_LITERALS_MAX = 1024,
};

typedef struct ns_redactor ns_redactor;

typedef struct ns_redact_hits {
    uint32_t by_rule[NS_RULES]; /* grows */
    size_t visited;             /* grows by the bytes that were looked at beyond the scan */
} ns_redact_hits;

/* `detectors` has the bit 1 << rule for each rule below NS_RULE_LITERAL that is to be used. NULL without memory. */
ns_redactor *ns_redactor_new(uint32_t detectors, size_t max_bytes);

void ns_redactor_free(ns_redactor *redactor);

/* Adds a sensitive key; `flags` are those of ns_keys.h. False: see ns_keys_add. */
bool ns_redactor_add_key(ns_redactor *redactor, const char *key, size_t size, uint32_t flags);

/* Adds a text that is masked wherever it stands. False if its size is not from NS_LITERAL_MIN to NS_LITERAL_MAX bytes, if
 * there are NS_LITERALS_MAX, and when memory is used up. */
bool ns_redactor_add_literal(ns_redactor *redactor, const char *text, size_t size);

/* "REDACTED" unless set. False for more than NS_MARKER_MAX bytes, and for none. */
bool ns_redactor_set_marker(ns_redactor *redactor, const char *marker, size_t size);

/* Call after the last addition and before the first use. False without memory. */
bool ns_redactor_finish(ns_redactor *redactor);

/* Of the versions of the scan that this CPU can run (ns_scan.h), uses this one. For tests; the fastest is used otherwise. */
bool ns_redactor_use_scan(ns_redactor *redactor, const char *name);

/* True if ns_redact_utf8 would change the text. `as`: NS_AS_*. Also true where memory for a copy of wide text is not to be
 * had. */
bool ns_redact_suspect(const ns_redactor *redactor, const ns_text *value, uint32_t as);

/* Writes the text with its secrets masked, and returns the number of markers in it. 0: there is no secret, and nothing was
 * written. */
size_t ns_redact_utf8(const ns_redactor *redactor, const char *in, size_t size, uint32_t as, ns_buf *out,
                      ns_redact_hits *hits);

/* Whether an integer is the number of a payment card. */
bool ns_redact_int(const ns_redactor *redactor, int64_t value);

#endif
