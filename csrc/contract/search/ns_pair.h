/* Pairs of a key and a value: key=value, "key": "value", Key: value, key%3Dvalue, ('key', 'value'), and what lies between. */
#ifndef NS_PAIR_H
#define NS_PAIR_H

#include "contract/search/ns_find.h"

/* Masks the value of the pair whose key ends before `key_end`, if the key is sensitive. */
void ns_find_pair(ns_find *find, size_t key_end);

/* The same for a key that a sign follows at `sign`, with blanks in between. */
void ns_find_pair_before(ns_find *find, size_t sign);

/* The same for an option, `--key value`, whose dashes are at `dashes`. */
void ns_find_option(ns_find *find, size_t dashes);

#endif
