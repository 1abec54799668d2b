/* Where the value of a pair ends, and whether it can be a secret. */
#ifndef NS_VALUE_H
#define NS_VALUE_H

#include "contract/search/ns_find.h"

typedef struct ns_quote {
    uint8_t mark;
    uint8_t backslashes; /* before it: how deep the text lies in other texts */
    bool is_encoded;     /* %22 */
} ns_quote;

/* How a pair is written. */
typedef struct ns_pair_form {
    uint32_t key_flags;
    bool is_element; /* <key>value</key> */
    bool key_is_quoted, is_colon, is_comma, is_encoded, has_blank, is_quoted;
    bool is_in_url;        /* a parameter of a URL */
    bool is_after_slashes; /* the key may be a host, and the value its port */
    uint8_t quote_before;  /* the quote right before a key that no quote follows: 'Key: value' */
    ns_quote quote;        /* before the value, if is_quoted */
} ns_pair_form;

/* Sets `*end` for the value that begins at `*begin`; `*begin` moves if something before the secret is to be kept. False if
 * there is nothing to mask: no value, a placeholder, or what is no secret. */
bool ns_value_end(ns_find *find, size_t *begin, size_t *end, const ns_pair_form *form);

#endif
