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

/* How often a byte is met in values of attributes, in thousandths, roughly. */
static unsigned weight_of(unsigned byte) {
    static const uint8_t letters[] = {70, 16, 32, 35, 95, 16, 20, 28, 65, 4, 9, 42, 28, 60, 65, 26, 2, 65, 60, 75, 28, 10, 11, 4, 14, 3};
    if (byte >= 'a' && byte <= 'z') return letters[byte - 'a'];
    if (byte >= 'A' && byte <= 'Z') return 2 + letters[byte - 'A'] / 12;
    if (byte >= '0' && byte <= '9') return 20;
    return byte == '/' || byte == ' ' || byte == '.' || byte == '-' ? 30 : byte >= 0x80 || byte < ' ' ? 1 : 6;
}

static unsigned weight_of_class(const ns_scan_tables *tables, unsigned place, unsigned kind, ns_scan_class added) {
    unsigned lows = 0, highs = 0, weight = 1;
    for (unsigned half = 0; half < 16; half++) {
        lows |= (unsigned)(tables->half[place][0][half] >> kind & 1) << half;
        highs |= (unsigned)(tables->half[place][1][half] >> kind & 1) << half;
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        if (ns_scan_class_has(&added, (uint8_t)byte)) lows |= 1u << (byte & 15), highs |= 1u << (byte >> 4);
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        if (lows >> (byte & 15) & 1 && highs >> (byte >> 4) & 1) weight += weight_of(byte);
    }
    return weight;
}

/* How often windows pass that are of this kind: a product of shares. */
static uint64_t passes(const ns_scan_tables *tables, unsigned kind, const ns_scan_class classes[NS_SCAN_WINDOW]) {
    uint64_t product = 1;
    for (unsigned place = 0; place < NS_SCAN_WINDOW; place++) product *= weight_of_class(tables, place, kind, classes[place]);
    return product;
}

static void window_classes(const ns_token *token, size_t offset, ns_scan_class classes[NS_SCAN_WINDOW]) {
    memset(classes, 0, NS_SCAN_WINDOW * sizeof *classes);
    for (unsigned place = 0; place < NS_SCAN_WINDOW; place++) {
        uint8_t byte = (uint8_t)token->text[offset + place];
        ns_scan_class_add(&classes[place], byte);
        if (token->any_case && ns_is_letter(byte)) ns_scan_class_add(&classes[place], byte ^ 0x20);
    }
}

static uint32_t window_at(const uint8_t *at) {
    uint32_t window = 0;
    for (unsigned place = 0; place < NS_SCAN_WINDOW; place++) window = window << 8 | (ns_is_letter(at[place]) ? at[place] | 0x20u : at[place]);
    return window;
}

static unsigned chain_of(uint32_t window) { return window * UINT32_C(2654435761) >> 25; }

void ns_literals_finish(ns_literals *literals, ns_scan_tables *tables) {
    const ns_scan_class nothing[NS_SCAN_WINDOW] = {0};
    uint64_t passing[NS_LITERAL_KINDS];
    for (unsigned kind = 0; kind < NS_LITERAL_KINDS; kind++) passing[kind] = passes(tables, NS_LITERAL_KIND + kind, nothing);
    memset(literals->chains, 0xFF, sizeof literals->chains);
    for (size_t i = 0; i < literals->count; i++) {
        literal *here = &literals->all[i];
        uint64_t best = UINT64_MAX;
        unsigned best_kind = 0;
        size_t windows = here->token.size - NS_SCAN_WINDOW + 1;
        ns_scan_class classes[NS_SCAN_WINDOW];
        for (size_t offset = 0; offset < windows && offset < WINDOWS_TRIED; offset++) {
            window_classes(&here->token, offset, classes);
            for (unsigned kind = 0; kind < NS_LITERAL_KINDS; kind++) {
                uint64_t more = passes(tables, NS_LITERAL_KIND + kind, classes) - passing[kind];
                if (more < best) {
                    best = more;
                    best_kind = kind;
                    here->offset = (uint16_t)offset;
                }
            }
        }
        passing[best_kind] += best;
        window_classes(&here->token, here->offset, classes);
        ns_scan_tables_add(tables, NS_LITERAL_KIND + best_kind, classes);
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
