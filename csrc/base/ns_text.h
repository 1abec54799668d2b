/* A string as an interpreter stores it: an array of code points one, two or four bytes wide. Nothing is owned. */
#ifndef NS_TEXT_H
#define NS_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Widths of an ns_text. NS_TEXT_UTF8 is text that needs no conversion: ASCII, or valid UTF-8 already. */
enum { NS_TEXT_UTF8 = 0, NS_TEXT_LATIN1 = 1, NS_TEXT_UCS2 = 2, NS_TEXT_UCS4 = 4 };

typedef struct ns_text {
    const void *data;
    size_t length; /* code points; bytes for NS_TEXT_UTF8 */
    uint32_t width;
} ns_text;

#endif
