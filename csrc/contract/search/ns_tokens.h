/* Secrets that show by their form: JSON Web Tokens, Bearer and Basic credentials, private keys, keys of known services. */
#ifndef NS_TOKENS_H
#define NS_TOKENS_H

#include "contract/search/ns_find.h"

/* What a literal of the table below is the beginning of. */
typedef enum ns_token_kind {
    NS_TOKEN_JWT,
    NS_TOKEN_SCHEME,  /* Bearer */
    NS_TOKEN_BASIC,   /* Basic */
    NS_TOKEN_PEM,     /* -----BEGIN */
    NS_TOKEN_SERVICE, /* at least `least` bytes of `alphabet` follow */
    NS_TOKEN_LITERAL, /* a text that the user named */
} ns_token_kind;

typedef enum ns_alphabet {
    NS_ALPHABET_UPPER,  /* A-Z 0-9 */
    NS_ALPHABET_ALNUM,  /* A-Z a-z 0-9 */
    NS_ALPHABET_BASE64, /* A-Z a-z 0-9 _ - */
    NS_ALPHABET_PATH,   /* A-Z a-z 0-9 _ - / */
} ns_alphabet;

typedef struct ns_token {
    const char *text; /* ends with a zero */
    size_t size;
    ns_token_kind kind;
    ns_rule rule;
    bool any_case;
    bool at_word; /* no letter or digit stands before it */
    ns_alphabet alphabet;
    size_t least;
} ns_token;

extern const ns_token ns_tokens[];
extern const size_t ns_tokens_count;

/* Examines the place at which this token begins. */
void ns_find_token(ns_find *find, const ns_token *token, size_t at);

#endif
