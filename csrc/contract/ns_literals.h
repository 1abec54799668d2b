/* The texts that the scan looks for: which three bytes of each are its window, and what a window that was found is part of. */
#ifndef NS_LITERALS_H
#define NS_LITERALS_H

#include "contract/scan/ns_scan_tables.h"
#include "contract/search/ns_tokens.h"

typedef struct ns_literals ns_literals;

ns_literals *ns_literals_new(void);

void ns_literals_free(ns_literals *literals);

/* Adds a token; its text is copied. False without memory. */
bool ns_literals_add(ns_literals *literals, const ns_token *token);

size_t ns_literals_count(const ns_literals *literals);

/* Chooses windows, of each literal the one that is met least often, and writes their patterns: as many as there are literals. */
void ns_literals_finish(ns_literals *literals, ns_scan_pattern *patterns);

/* Whether the window, three bytes, can be one of a literal. */
bool ns_literals_has(const ns_literals *literals, const uint8_t *window);

/* Examines the window at `at`. */
void ns_literals_examine(const ns_literals *literals, ns_find *find, size_t at);

#endif
