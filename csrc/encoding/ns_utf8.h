/* Conversion of an ns_text to UTF-8.
 *
 * OTLP strings must be valid UTF-8: a receiver rejects a whole request for one invalid byte. A lone surrogate, which an
 * array of code points can contain and UTF-8 cannot encode, is written as U+FFFD and counted. So is a value above U+10FFFF.
 */
#ifndef NS_UTF8_H
#define NS_UTF8_H

#include "base/ns_base.h"
#include "base/ns_text.h"

/* The number of bytes that ns_utf8_write_wide writes. */
size_t ns_utf8_size_wide(const ns_text *text);

/* Writes the text and returns the number of code points replaced by U+FFFD. */
size_t ns_utf8_write_wide(const ns_text *text, uint8_t *out);

static inline size_t ns_utf8_size(const ns_text *text) {
    return NS_LIKELY(text->width == NS_TEXT_UTF8) ? text->length : ns_utf8_size_wide(text);
}

/* Copies the bytes of an NS_TEXT_UTF8. */
static inline void ns_utf8_copy(const ns_text *text, uint8_t *out) {
    if (NS_LIKELY(text->length <= NS_SHORT_COPY)) ns_copy_short(out, text->data, text->length);
    else __builtin_memcpy(out, text->data, text->length);
}

static inline size_t ns_utf8_write(const ns_text *text, uint8_t *out) {
    if (NS_LIKELY(text->width == NS_TEXT_UTF8)) {
        if (text->length) __builtin_memcpy(out, text->data, text->length);
        return 0;
    }
    return ns_utf8_write_wide(text, out);
}

#endif
