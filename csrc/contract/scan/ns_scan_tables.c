#include "contract/scan/ns_scan_tables.h"

#include <stdlib.h>
#include <string.h>

/* Patterns that are compared with each other; each further one goes where it adds the least. */
enum { COMPARED_MAX = 160 };

/* A class as the tables store it: the halves that its bytes have. It has every byte of which both halves are in it. */
typedef struct halves {
    uint16_t low, high;
} halves;

typedef struct group {
    halves places[NS_SCAN_WINDOW];
    uint64_t weight;
} group;

/* How often a byte is met in values of attributes, in thousandths, roughly. */
static unsigned weight_of(unsigned byte) {
    static const uint8_t letters[] = {70, 16, 32, 35, 95, 16, 20, 28, 65, 4,  9, 42, 28,
                                      60, 65, 26, 2,  65, 60, 75, 28, 10, 11, 4, 14, 3};
    if (byte >= 'a' && byte <= 'z') return letters[byte - 'a'];
    if (byte >= 'A' && byte <= 'Z') return 2 + letters[byte - 'A'] / 4;
    if (byte >= '0' && byte <= '9') return 25;
    return byte == '/' || byte == ' ' || byte == '.' || byte == '-' || byte == '"' ? 30 : byte >= 0x80 || byte < ' ' ? 1 : 8;
}

/* weights[high half][of the low halves 0 to 7, or 8 to 15][which of them] */
typedef struct weights {
    uint16_t of[16][2][256];
} weights;

static void fill(weights *all) {
    for (unsigned high = 0; high < 16; high++) {
        for (unsigned part = 0; part < 2; part++) {
            for (unsigned set = 0; set < 256; set++) {
                unsigned sum = 0;
                for (unsigned low = 0; low < 8; low++) {
                    if (set >> low & 1) sum += weight_of(high << 4 | part << 3 | low);
                }
                all->of[high][part][set] = (uint16_t)sum;
            }
        }
    }
}

static uint64_t weigh(const weights *all, const group *one, const group *other) {
    uint64_t product = 1;
    for (unsigned place = 0; place < NS_SCAN_WINDOW; place++) {
        unsigned low = one->places[place].low | other->places[place].low,
                 high = one->places[place].high | other->places[place].high;
        unsigned sum = 0;
        for (; high; high &= high - 1) {
            unsigned half = (unsigned)__builtin_ctz(high);
            sum += all->of[half][0][low & 255] + all->of[half][1][low >> 8];
        }
        product *= sum;
    }
    return product;
}

static group group_of(const weights *all, const ns_scan_pattern *pattern) {
    group made = {{{0, 0}}, 0};
    for (unsigned place = 0; place < NS_SCAN_WINDOW; place++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            if (!ns_scan_class_has(&pattern->classes[place], (uint8_t)byte)) continue;
            made.places[place].low |= (uint16_t)(1u << (byte & 15));
            made.places[place].high |= (uint16_t)(1u << (byte >> 4));
        }
    }
    made.weight = weigh(all, &made, &made);
    return made;
}

static void join(const weights *all, group *into, const group *other) {
    into->weight = weigh(all, into, other);
    for (unsigned place = 0; place < NS_SCAN_WINDOW; place++) {
        into->places[place].low |= other->places[place].low;
        into->places[place].high |= other->places[place].high;
    }
}

static int64_t price(const weights *all, const group *one, const group *other) {
    return (int64_t)(weigh(all, one, other) - one->weight - other->weight);
}

/* Joins the two groups that it costs least to join, until as many are left as there are kinds. */
static size_t join_cheapest(const weights *all, group *groups, size_t count, int64_t *prices) {
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) prices[i * COMPARED_MAX + k] = price(all, &groups[i], &groups[k]);
    }
    while (count > NS_SCAN_KINDS) {
        size_t one = 1, other = 0;
        for (size_t i = 1; i < count; i++) {
            for (size_t k = 0; k < i; k++) {
                if (prices[i * COMPARED_MAX + k] < prices[one * COMPARED_MAX + other]) one = i, other = k;
            }
        }
        join(all, &groups[other], &groups[one]);
        groups[one] = groups[--count];
        const size_t changed[] = {one, other};
        for (size_t c = 0; c < 2; c++) {
            for (size_t i = 0; i < count && changed[c] < count; i++) {
                size_t high = i > changed[c] ? i : changed[c], low = i > changed[c] ? changed[c] : i;
                if (high != low) prices[high * COMPARED_MAX + low] = price(all, &groups[high], &groups[low]);
            }
        }
    }
    return count;
}

static size_t members(const ns_scan_class *set, uint8_t bytes[256]) {
    size_t count = 0;
    for (unsigned byte = 0; byte < 256; byte++) {
        if (ns_scan_class_has(set, (uint8_t)byte)) bytes[count++] = (uint8_t)byte;
    }
    return count;
}

static void add_hashes(ns_scan_tables *tables, const ns_scan_pattern *pattern) {
    uint8_t bytes[NS_SCAN_WINDOW + 1][256];
    size_t counts[NS_SCAN_WINDOW + 1] = {members(&pattern->before, bytes[0])};
    for (unsigned place = 0; place < NS_SCAN_WINDOW; place++)
        counts[place + 1] = members(&pattern->classes[place], bytes[place + 1]);
    for (size_t i = 0; i < counts[0] * counts[1] * counts[2] * counts[3]; i++) {
        uint32_t window = 0;
        size_t left = i;
        for (unsigned place = 0; place <= NS_SCAN_WINDOW; left /= counts[place++]) {
            window |= (uint32_t)bytes[place][left % counts[place]] << (8 * place);
        }
        unsigned hash = ns_scan_hash(window), second = ns_scan_second_hash(window);
        tables->hashes[hash / 64] |= UINT64_C(1) << (hash % 64);
        tables->hashes[second / 64] |= UINT64_C(1) << (second % 64);
    }
}

static void write_kind(ns_scan_tables *tables, unsigned kind, const group *made) {
    for (unsigned place = 0; place < NS_SCAN_WINDOW; place++) {
        for (unsigned half = 0; half < 32; half++) {
            tables->half[place][0][half] |= (uint8_t)((made->places[place].low >> (half & 15) & 1) << kind);
            tables->half[place][1][half] |= (uint8_t)((made->places[place].high >> (half & 15) & 1) << kind);
        }
    }
}

uint64_t ns_scan_pattern_weight(const ns_scan_pattern *pattern) {
    uint64_t product = 1;
    for (unsigned place = 0; place < NS_SCAN_WINDOW; place++) {
        unsigned sum = 0;
        for (unsigned byte = 0; byte < 256; byte++) {
            if (ns_scan_class_has(&pattern->classes[place], (uint8_t)byte)) sum += weight_of(byte);
        }
        product *= sum;
    }
    return product;
}

bool ns_scan_tables_make(ns_scan_tables *tables, const ns_scan_pattern *patterns, size_t count) {
    memset(tables, 0, sizeof *tables);
    memset(tables->low_half, 15, sizeof tables->low_half);
    memset(tables->to_top, INT8_MAX - '9', sizeof tables->to_top);
    memset(tables->below_top, INT8_MAX - 10, sizeof tables->below_top);
    weights *all = malloc(sizeof *all);
    group *groups = malloc(COMPARED_MAX * sizeof *groups);
    int64_t *prices = malloc(COMPARED_MAX * COMPARED_MAX * sizeof *prices);
    bool made = all && groups && prices;
    if (made) {
        fill(all);
        size_t compared = count < COMPARED_MAX ? count : COMPARED_MAX;
        for (size_t i = 0; i < compared; i++) groups[i] = group_of(all, &patterns[i]);
        size_t kinds = join_cheapest(all, groups, compared, prices);
        for (size_t i = compared; i < count; i++) {
            group further = group_of(all, &patterns[i]);
            size_t best = 0;
            for (size_t kind = 1; kind < kinds; kind++) {
                if (price(all, &groups[kind], &further) < price(all, &groups[best], &further)) best = kind;
            }
            join(all, &groups[best], &further);
        }
        for (size_t kind = 0; kind < kinds; kind++) write_kind(tables, (unsigned)kind, &groups[kind]);
        for (unsigned place = 0; place < NS_SCAN_WINDOW; place++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                tables->whole[place][byte] = tables->half[place][0][byte & 15] & tables->half[place][1][byte >> 4];
            }
        }
        for (size_t i = 0; i < count; i++) add_hashes(tables, &patterns[i]);
        tables->unhashed[0]['%'] = tables->unhashed[1]['@'] = 1;
    }
    free(all);
    free(groups);
    free(prices);
    return made;
}
