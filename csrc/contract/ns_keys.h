/* The set of sensitive keys, and the question whether one of them ends at a place of a text.
 *
 * Keys are folded (ns_fold.h) and stored as a trie that is walked from the last byte of a key to its first, since a text
 * shows where a key ends (a sign follows) sooner than where it begins. A walk of a key that is in no way sensitive ends
 * after two or three bytes. Percent-encoded bytes of a key are decoded during the walk.
 */
#ifndef NS_KEYS_H
#define NS_KEYS_H

#include "base/ns_base.h"
#include "contract/scan/ns_scan_tables.h"

/* How a key of a text must agree with one of the set, from loose to strict. For "token":
 *
 *                            ANY_END   WORD_END   WHOLE
 *     token, Token, tok_en   yes       yes        yes
 *     access_token, xToken   yes       yes        no
 *     csrftoken              yes       no         no
 *     tokens, token_type     no        no         no
 */
enum {
    NS_KEY_ANY_END = 1,
    NS_KEY_WORD_END = 2,
    NS_KEY_WHOLE = 4,
    NS_KEY_MATCH = NS_KEY_ANY_END | NS_KEY_WORD_END | NS_KEY_WHOLE,
    /* Also a word of plain language or of code: behind a colon and a blank, only a value that looks made by chance counts. */
    NS_KEY_WEAK = 8,
    /* A header whose value goes on to the end of the line, with blanks and semicolons in it. */
    NS_KEY_LINE = 16,
};

enum { NS_KEY_MAX = 64, NS_KEY_SYMBOLS = 36, NS_KEY_ENDS = NS_KEY_SYMBOLS * NS_KEY_SYMBOLS };

typedef struct ns_keys ns_keys;

ns_keys *ns_keys_new(void);

void ns_keys_free(ns_keys *keys);

/* Adds a key. False if it has less than two bytes when folded, or more than NS_KEY_MAX, or has bytes that are no letters, digits or marks of
 * ASCII, and when memory or the room for keys is used up. */
bool ns_keys_add(ns_keys *keys, const char *key, size_t size, uint32_t flags);

/* The flags of the key of the set that ends before `end`, or 0. `*begin` is set to where it begins. `steps` grows by the
 * bytes looked at. */
uint32_t ns_keys_find(const ns_keys *keys, const uint8_t *data, size_t end, size_t *begin, size_t *steps);

/* The last three bytes of keys, in both cases: `which` goes from 0 to NS_KEY_ENDS - 1. Marks are not included, but `first` has
 * every byte if a key of two is among them. False if no key ends so. */
bool ns_keys_end(const ns_keys *keys, unsigned which, ns_scan_class *first, ns_scan_class *second, ns_scan_class *last);

/* The value of two hexadecimal digits, or -1. */
int ns_hex_pair(const uint8_t *at);

#endif
