/* The texts that the scan looks for: which three bytes of each are its window, and what a window that was found is part of. */
#ifndef NS_LITERALS_H
#define NS_LITERALS_H

#include "contract/scan/ns_scan.h"
#include "contract/search/ns_tokens.h"

/* The kinds of places of the scan that belong to literals. */
enum { NS_LITERAL_KIND = 4, NS_LITERAL_KINDS = NS_SCAN_KINDS - NS_LITERAL_KIND };

typedef struct ns_literals ns_literals;

ns_literals *ns_literals_new(void);

void ns_literals_free(ns_literals *literals);

/* Adds a token; its text is copied. False without memory. */
bool ns_literals_add(ns_literals *literals, const ns_token *token);

size_t ns_literals_count(const ns_literals *literals);

/* Chooses windows and adds them to the tables. Of all windows of a literal, and of the four kinds, it takes the pair that lets
 * the fewest other texts pass. */
void ns_literals_finish(ns_literals *literals, ns_scan_tables *tables);

/* Examines the window at `at`. */
void ns_literals_examine(const ns_literals *literals, ns_find *find, size_t at);

#endif
