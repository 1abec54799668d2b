/* What the searches for single kinds of secrets share: the text, what was found, and how far each search has come.
 *
 * A search is called for a place that ns_scan reported, in ascending order of places. It looks around the place and calls
 * ns_find_add for what must be masked. To stay linear in the size of the text, a search either looks at a bounded number of
 * bytes, or remembers how far it has looked (`*_until`) and does not look at these bytes again.
 */
#ifndef NS_FIND_H
#define NS_FIND_H

#include "base/ns_base.h"
#include "contract/ns_keys.h"

/* The rules that mask a part of a value, or in the last case all of it. The numbers are those of the counters. */
typedef enum ns_rule {
    NS_RULE_PAIR = 0,        /* the value behind a sensitive key */
    NS_RULE_USERINFO = 1,    /* user and password before the host of a URL */
    NS_RULE_JWT = 2,         /* a JSON Web Token */
    NS_RULE_CREDENTIALS = 3, /* what follows Bearer or Basic */
    NS_RULE_EMAIL = 4,
    NS_RULE_CARD = 5,        /* number of a payment card: issuer, length and check digit are right */
    NS_RULE_PRIVATE_KEY = 6, /* a private key in PEM */
    NS_RULE_SERVICE_KEY = 7, /* a key or token whose form shows the service that issued it */
    NS_RULE_LITERAL = 8,     /* a text that the user named */
    NS_RULE_OVER_CAP = 9,    /* the value is longer than what is searched */
    NS_RULES = 10,
} ns_rule;

/* How a value is to be read. */
enum {
    NS_AS_URL = 1,      /* all of it is a URL, or the query of one: blanks do not end anything */
    NS_AS_NAME = 2,     /* the name of a span or an event */
    NS_AS_OPEN_END = 4, /* it may have been cut at its end: what reaches the end needs no least length */
};

typedef struct ns_found {
    size_t begin, end;
    ns_rule rule;
} ns_found;

enum { NS_FOUND_MAX = 256 };

typedef struct ns_find {
    const uint8_t *data;
    size_t size;
    uint32_t as;
    uint32_t detectors; /* bit 1 << rule */
    const ns_keys *keys;
    const char *marker;
    size_t marker_size;

    bool only_whether; /* stop at the first finding, keep none */
    bool any;
    bool too_many;
    size_t count;    /* of found, which are in order and do not overlap */
    ns_found *found; /* room for NS_FOUND_MAX */
    size_t visited;  /* bytes looked at by the searches; for tests */

    size_t pair_until, weak_until, percent_until, token_until, basic_until, service_until, card_until;
    size_t authority_until, part_begin, part_until;
    size_t part_colon; /* no colon stands before it in the part */
    bool part_is_authority, pair_is_plain;
} ns_find;

/* Masks [begin, end) of the text. What overlaps an earlier finding is joined with it. */
void ns_find_add(ns_find *find, size_t begin, size_t end, ns_rule rule);

static inline bool ns_find_wants(const ns_find *find, ns_rule rule) { return find->detectors >> rule & 1; }

/* A value that was cut may end within a secret: then no least length is asked of it. */
static inline bool ns_find_is_cut(const ns_find *find, size_t end) { return end == find->size && find->as & NS_AS_OPEN_END; }

static inline bool ns_is_blank(uint8_t byte) { return byte == ' ' || byte == '\t'; }
static inline bool ns_is_space(uint8_t byte) { return byte <= ' '; }
static inline bool ns_is_quote(uint8_t byte) { return byte == '"' || byte == '\'' || byte == '`'; }
static inline bool ns_is_digit(uint8_t byte) { return (uint8_t)(byte - '0') <= 9; }
static inline bool ns_is_letter(uint8_t byte) { return (uint8_t)((byte | 0x20) - 'a') <= 25; }
static inline bool ns_is_alnum(uint8_t byte) { return ns_is_digit(byte) || ns_is_letter(byte); }

/* Whether the text at `at` is this one, in whatever case; `lower` is in lower case, marks and digits included. */
bool ns_find_has(const ns_find *find, size_t at, const char *lower);

/* The value of the percent-encoded byte at `at`, which a percent sign may itself be encoded in; -1 if there is none.
 * `*size` is set to the bytes it takes. */
int ns_find_percent(const ns_find *find, size_t at, size_t *size);

#endif
