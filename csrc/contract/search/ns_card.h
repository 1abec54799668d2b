/* Numbers of payment cards: issuer, length and check digit (ISO/IEC 7812) are right. */
#ifndef NS_CARD_H
#define NS_CARD_H

#include "contract/search/ns_find.h"

/* Examines all digits around `at`, with blanks, dashes and pluses between groups of them. */
void ns_find_cards(ns_find *find, size_t at);

/* Whether a number is one of a card of 14 to 16 digits. Longer integers are ids far more often. */
bool ns_card_is_number(uint64_t number);

#endif
