#include "contract/ns_keys.h"
#include "contract/ns_fold.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_NODES = 8192 };

typedef struct node {
    uint16_t next[NS_KEY_SYMBOLS];
    uint8_t flags;
} node;

struct ns_keys {
    node *nodes;
    size_t count, room;
};

/* Places in node.next, from 1 on; MARK for a mark, 0 for everything else. */
enum { MARK = 0xFF };

#define LETTER(upper, lower) [upper] = lower - 'a' + 1, [lower] = lower - 'a' + 1
#define DIGIT(digit)         [digit] = digit - '0' + 27

static const uint8_t symbols[256] = {
    ['-'] = MARK,     ['_'] = MARK,     ['.'] = MARK,     LETTER('A', 'a'), LETTER('B', 'b'), LETTER('C', 'c'),
    LETTER('D', 'd'), LETTER('E', 'e'), LETTER('F', 'f'), LETTER('G', 'g'), LETTER('H', 'h'), LETTER('I', 'i'),
    LETTER('J', 'j'), LETTER('K', 'k'), LETTER('L', 'l'), LETTER('M', 'm'), LETTER('N', 'n'), LETTER('O', 'o'),
    LETTER('P', 'p'), LETTER('Q', 'q'), LETTER('R', 'r'), LETTER('S', 's'), LETTER('T', 't'), LETTER('U', 'u'),
    LETTER('V', 'v'), LETTER('W', 'w'), LETTER('X', 'x'), LETTER('Y', 'y'), LETTER('Z', 'z'), DIGIT('0'),
    DIGIT('1'),       DIGIT('2'),       DIGIT('3'),       DIGIT('4'),       DIGIT('5'),       DIGIT('6'),
    DIGIT('7'),       DIGIT('8'),       DIGIT('9'),
};

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
    uint8_t folded[NS_KEY_MAX];
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        uint8_t symbol = symbols[(uint8_t)key[i]];
        if (symbol == MARK) continue;
        if (symbol == 0 || count == NS_KEY_MAX) return false;
        folded[count++] = symbol - 1;
    }
    if (count < 2 || !make_room(keys, count)) return false;
    size_t at = 0;
    while (count-- > 0) {
        uint16_t *next = &keys->nodes[at].next[folded[count]];
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
static inline uint8_t byte_before(const uint8_t *data, size_t *end) {
    if (NS_UNLIKELY(*end >= 3 && data[*end - 3] == '%')) {
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
        uint8_t byte = byte_before(data, &at), symbol = symbols[byte];
        if (symbol == MARK) continue;
        if (symbol == 0) break;
        uint16_t next = here->next[symbol - 1];
        if (next == 0) break;
        here = keys->nodes + next;
        if (NS_UNLIKELY(here->flags) && agrees(data, at, byte, here->flags)) {
            found = here->flags;
            *begin = at;
            if (!(found & NS_KEY_WEAK)) break;
        }
    }
    *steps += end - at;
    return found;
}

static void add_symbol(ns_scan_class *set, unsigned symbol) {
    if (symbol >= 26) {
        ns_scan_class_add(set, (uint8_t)('0' + symbol - 26));
    } else {
        ns_scan_class_add(set, (uint8_t)('a' + symbol));
        ns_scan_class_add(set, (uint8_t)('A' + symbol));
    }
}

bool ns_keys_end(const ns_keys *keys, unsigned which, ns_scan_class *first, ns_scan_class *second, ns_scan_class *last) {
    memset(first, 0, sizeof *first);
    memset(second, 0, sizeof *second);
    memset(last, 0, sizeof *last);
    const node *child = keys->nodes + keys->nodes[0].next[which / NS_KEY_SYMBOLS];
    const node *inner = keys->nodes + child->next[which % NS_KEY_SYMBOLS];
    if (child == keys->nodes || inner == keys->nodes) return false;
    add_symbol(last, which / NS_KEY_SYMBOLS);
    add_symbol(second, which % NS_KEY_SYMBOLS);
    if (inner->flags) memset(first, 0xFF, sizeof *first);
    for (unsigned symbol = 0; symbol < NS_KEY_SYMBOLS; symbol++) {
        if (inner->next[symbol]) add_symbol(first, symbol);
    }
    return true;
}
