#include "contract/ns_keys.h"
#include "contract/ns_fold.h"

#include <stdlib.h>
#include <string.h>

enum { SYMBOLS = 36, MAX_NODES = 8192 };

typedef struct node {
    uint16_t next[SYMBOLS];
    uint8_t flags;
} node;

struct ns_keys {
    node *nodes;
    size_t count, room;
};

static int symbol_of(uint8_t folded) {
    if (folded >= 'a') return folded - 'a';
    return folded > NS_FOLD_MARK ? 26 + folded - '0' : -1;
}

ns_keys *ns_keys_new(void) {
    ns_keys *keys = calloc(1, sizeof *keys);
    if (!keys) return NULL;
    keys->room = 64;
    keys->nodes = calloc(keys->room, sizeof *keys->nodes);
    if (!keys->nodes) {
        free(keys);
        return NULL;
    }
    keys->count = 1;
    return keys;
}

void ns_keys_free(ns_keys *keys) {
    if (!keys) return;
    free(keys->nodes);
    free(keys);
}

static bool make_room(ns_keys *keys, size_t extra) {
    if (keys->count + extra > MAX_NODES) return false;
    while (keys->room < keys->count + extra) {
        node *moved = realloc(keys->nodes, keys->room * 2 * sizeof *moved);
        if (!moved) return false;
        memset(moved + keys->room, 0, keys->room * sizeof *moved);
        keys->nodes = moved;
        keys->room *= 2;
    }
    return true;
}

bool ns_keys_add(ns_keys *keys, const char *key, size_t size, uint32_t flags) {
    uint8_t symbols[NS_KEY_MAX];
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        uint8_t folded = ns_fold_byte[(uint8_t)key[i]];
        if (folded == NS_FOLD_MARK) continue;
        if (folded == 0 || count == NS_KEY_MAX) return false;
        symbols[count++] = (uint8_t)symbol_of(folded);
    }
    if (count == 0 || !make_room(keys, count)) return false;
    size_t at = 0;
    while (count-- > 0) {
        uint16_t *next = &keys->nodes[at].next[symbols[count]];
        if (*next == 0) *next = (uint16_t)keys->count++;
        at = *next;
    }
    /* A key that is added twice is as loose as the looser one. */
    uint8_t *known = &keys->nodes[at].flags;
    *known = *known ? (uint8_t)((*known | flags) & ~(*known & flags & NS_KEY_WEAK ? 0u : NS_KEY_WEAK)) : (uint8_t)flags;
    return true;
}

int ns_hex_pair(const uint8_t *at) {
    int value = 0;
    for (int i = 0; i < 2; i++) {
        uint8_t byte = at[i], letter = byte | 0x20;
        if (byte >= '0' && byte <= '9') value = value * 16 + byte - '0';
        else if (letter >= 'a' && letter <= 'f') value = value * 16 + letter - 'a' + 10;
        else return -1;
    }
    return value;
}

/* Takes the byte before `*end`, or the percent-encoded one, and moves `*end` before it. */
static uint8_t byte_before(const uint8_t *data, size_t *end) {
    if (*end >= 3 && data[*end - 3] == '%') {
        int decoded = ns_hex_pair(data + *end - 2);
        if (decoded >= 0) {
            *end -= 3;
            return (uint8_t)decoded;
        }
    }
    return data[--*end];
}

static bool is_upper(uint8_t byte) { return byte >= 'A' && byte <= 'Z'; }

static bool agrees(const uint8_t *data, size_t begin, uint8_t first, uint32_t flags) {
    if (flags & NS_KEY_ANY_END || begin == 0) return true;
    uint8_t before = byte_before(data, &begin), folded = ns_fold_byte[before];
    if (folded == 0) return true;
    if (!(flags & NS_KEY_WORD_END)) return false;
    return folded == NS_FOLD_MARK || (is_upper(first) && !is_upper(before));
}

uint32_t ns_keys_find(const ns_keys *keys, const uint8_t *data, size_t end, size_t *begin, size_t *steps) {
    size_t at = end, lowest = end > 4 * NS_KEY_MAX ? end - 4 * NS_KEY_MAX : 0;
    uint32_t found = 0;
    const node *here = keys->nodes;
    while (at > lowest) {
        uint8_t byte = byte_before(data, &at), folded = ns_fold_byte[byte];
        if (folded == NS_FOLD_MARK) continue;
        if (folded == 0) break;
        uint16_t next = here->next[symbol_of(folded)];
        if (next == 0) break;
        here = keys->nodes + next;
        if (here->flags && agrees(data, at, byte, here->flags)) {
            found = here->flags;
            *begin = at;
            if (!(found & NS_KEY_WEAK)) break;
        }
    }
    *steps += end - at;
    return found;
}

static void add_symbol(ns_scan_class *set, int symbol) {
    if (symbol >= 26) {
        ns_scan_class_add(set, (uint8_t)('0' + symbol - 26));
    } else {
        ns_scan_class_add(set, (uint8_t)('a' + symbol));
        ns_scan_class_add(set, (uint8_t)('A' + symbol));
    }
}

void ns_keys_last_bytes(const ns_keys *keys, ns_scan_class *last, ns_scan_class *before_last) {
    for (int i = 0; i < SYMBOLS; i++) {
        const node *child = keys->nodes + keys->nodes[0].next[i];
        if (child == keys->nodes) continue;
        add_symbol(last, i);
        /* Anything may stand before a key of one letter. */
        if (child->flags) memset(before_last, 0xFF, sizeof *before_last);
        for (int k = 0; k < SYMBOLS; k++) {
            if (child->next[k]) add_symbol(before_last, k);
        }
    }
}
