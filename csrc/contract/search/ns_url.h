/* User and password before the host of a URL, and e-mail addresses: what an "@" may be a part of. */
#ifndef NS_URL_H
#define NS_URL_H

#include "contract/search/ns_find.h"

/* Examines the "@" at `at`, which takes `size` bytes: 1, or more where it is percent-encoded. */
void ns_find_at_sign(ns_find *find, size_t at, size_t size);

/* Examines a value that was cut for the user and the beginning of a password, of which the "@" is gone. */
void ns_find_cut_authority(ns_find *find);

#endif
