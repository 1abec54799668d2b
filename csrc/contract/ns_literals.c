#include "contract/ns_literals.h"

#include <stdlib.h>
#include <string.h>

enum { CHAINS = 128, WINDOWS_TRIED = 24, NO_LITERAL = 0xFFFF };

typedef struct literal {
    ns_token token;
    char *copy;
    uint32_t window; /* letters in lower case */
    uint16_t offset; /* of the window in the text */
    uint16_t next;
} literal;

struct ns_literals {
    literal *all;
    size_t count, room;
    uint16_t chains[CHAINS];
};

ns_literals *ns_literals_new(void) { return calloc(1, sizeof(ns_literals)); }

void ns_literals_free(ns_literals *literals) {
    if (!literals) return;
    for (size_t i = 0; i < literals->count; i++) free(literals->all[i].copy);
    free(literals->all);
    free(literals);
}

size_t ns_literals_count(const ns_literals *literals) { return literals->count; }

bool ns_literals_add(ns_literals *literals, const ns_token *token) {
    if (literals->count == literals->room) {
        size_t room = literals->room ? literals->room * 2 : 64;
        literal *moved = realloc(literals->all, room * sizeof *moved);
        if (!moved) return false;
        literals->all = moved;
        literals->room = room;
    }
    char *copy = malloc(token->size + 1);
    if (!copy) return false;
    memcpy(copy, token->text, token->size);
    copy[token->size] = 0;
    literal *added = &literals->all[literals->count++];
    *added = (literal){*token, copy, 0, 0, NO_LITERAL};
    added->token.text = copy;
    return true;
}

static ns_scan_class class_of_byte(const ns_token *token, size_t at) {
    ns_scan_class set = {{0}};
    uint8_t byte = (uint8_t)token->text[at];
    ns_scan_class_add(&set, byte);
    if (token->any_case && ns_is_letter(byte)) ns_scan_class_add(&set, byte ^ 0x20);
    return set;
}

static ns_scan_pattern window_pattern(const ns_token *token, size_t offset) {
    ns_scan_pattern pattern;
    for (unsigned place = 0; place < NS_SCAN_WINDOW; place++) pattern.classes[place] = class_of_byte(token, offset + place);
    if (offset > 0) pattern.before = class_of_byte(token, offset - 1);
    else memset(&pattern.before, 0xFF, sizeof pattern.before);
    return pattern;
}

static uint32_t window_at(const uint8_t *at) {
    uint32_t window = 0;
    for (unsigned place = 0; place < NS_SCAN_WINDOW; place++)
        window = window << 8 | (ns_is_letter(at[place]) ? at[place] | 0x20u : at[place]);
    return window;
}

static unsigned chain_of(uint32_t window) { return window * UINT32_C(2654435761) >> 25; }

void ns_literals_finish(ns_literals *literals, ns_scan_pattern *patterns) {
    memset(literals->chains, 0xFF, sizeof literals->chains);
    for (size_t i = 0; i < literals->count; i++) {
        literal *here = &literals->all[i];
        uint64_t least = UINT64_MAX;
        for (size_t offset = 0; offset + NS_SCAN_WINDOW <= here->token.size && offset < WINDOWS_TRIED; offset++) {
            ns_scan_pattern pattern = window_pattern(&here->token, offset);
            uint64_t weight = ns_scan_pattern_weight(&pattern);
            if (weight >= least) continue;
            least = weight;
            patterns[i] = pattern;
            here->offset = (uint16_t)offset;
        }
        here->window = window_at((const uint8_t *)here->token.text + here->offset);
        uint16_t *chain = &literals->chains[chain_of(here->window)];
        here->next = *chain;
        *chain = (uint16_t)i;
    }
}

static bool stands_at(const ns_find *find, const ns_token *token, size_t at) {
    const uint8_t *text = find->data + at;
    if (!token->any_case) return memcmp(text, token->text, token->size) == 0;
    for (size_t i = 0; i < token->size; i++) {
        uint8_t byte = (uint8_t)token->text[i];
        if (text[i] != byte && (!ns_is_letter(byte) || (text[i] ^ byte) != 0x20)) return false;
    }
    return true;
}

bool ns_literals_has(const ns_literals *literals, const uint8_t *window) {
    uint32_t folded = window_at(window);
    for (unsigned i = literals->chains[chain_of(folded)]; i != NO_LITERAL; i = literals->all[i].next) {
        if (literals->all[i].window == folded) return true;
    }
    return false;
}

void ns_literals_examine(const ns_literals *literals, ns_find *find, size_t at) {
    uint32_t window = window_at(find->data + at);
    for (unsigned i = literals->chains[chain_of(window)]; i != NO_LITERAL; i = literals->all[i].next) {
        const literal *here = &literals->all[i];
        if (here->window != window || at < here->offset) continue;
        size_t begin = at - here->offset;
        find->visited += here->token.size;
        if (here->token.size > find->size - begin || !stands_at(find, &here->token, begin)) continue;
        ns_find_token(find, &here->token, begin);
    }
}
