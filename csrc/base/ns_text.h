/* A string as an interpreter stores it: an array of code points of one, two or four bytes each. Owns nothing. */
#ifndef NS_TEXT_H
#define NS_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Widths of an ns_text. NS_TEXT_UTF8 needs no conversion: ASCII, or text that is already valid UTF-8. */
enum { NS_TEXT_UTF8 = 0, NS_TEXT_LATIN1 = 1, NS_TEXT_UCS2 = 2, NS_TEXT_UCS4 = 4 };

typedef struct ns_text {
    const void *data;
    size_t length; /* in code points; in bytes for NS_TEXT_UTF8 */
    uint32_t width;
} ns_text;

#endif
