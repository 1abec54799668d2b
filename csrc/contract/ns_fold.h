/* Keys compared without regard to case and to the marks between their words: "X-Api-Key", "x_api_key" and "xApiKey" are one
 * key, "xapikey". */
#ifndef NS_FOLD_H
#define NS_FOLD_H

#include "base/ns_base.h"
#include "base/ns_text.h"

/* What folding makes of a byte of ASCII: the letter in lower case or the digit itself, NS_FOLD_MARK for a mark between
 * words (- _ .), 0 for everything else. */
enum { NS_FOLD_MARK = 1 };

extern const uint8_t ns_fold_byte[256];

static inline bool ns_fold_is_word(uint8_t byte) { return ns_fold_byte[byte] > NS_FOLD_MARK; }

/* Writes the folded key, with a zero behind it, and returns its hash, which is never 0. Code points that folding does not
 * know are kept, as UTF-8. Returns 0 for a key of which nothing is left, and for one that needs more than `room` - 1 bytes. */
uint64_t ns_fold_key(const ns_text *key, char *out, size_t room);

/* The hash of a text that is folded already. */
uint64_t ns_fold_hash(const char *folded, size_t size);

#endif
