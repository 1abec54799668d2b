#include "contract/search/ns_card.h"

enum { DIGITS_MIN = 13, DIGITS_MAX = 19, GROUPS_MAX = 6, CUT_MIN = 9 };

static bool checks(const uint8_t *digits, size_t count) {
    unsigned sum = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned digit = digits[count - 1 - i];
        if (i % 2) digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
        sum += digit;
    }
    return sum % 10 == 0;
}

static unsigned first_of(const uint8_t *digits, unsigned count) {
    unsigned value = 0;
    for (unsigned i = 0; i < count; i++) value = value * 10 + digits[i];
    return value;
}

/* The lengths that cards of the issuer have, a bit a length; 0 for digits that no issuer has. */
static uint32_t lengths_of(const uint8_t *digits) {
    unsigned two = first_of(digits, 2), three = first_of(digits, 3), four = first_of(digits, 4);
    if (two / 10 == 4) return 1u << 13 | 1u << 16 | 1u << 19;                        /* Visa */
    if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720)) return 1u << 16; /* Mastercard */
    if (two == 34 || two == 37) return 1u << 15;                                     /* American Express */
    if ((three >= 300 && three <= 305) || two == 36 || two == 38) return 1u << 14;   /* Diners Club */
    if (four == 6011 || two == 65 || (three >= 644 && three <= 649) || two == 62 ||  /* Discover, UnionPay */
        (four >= 3528 && four <= 3589))
        return 1u << 16 | 1u << 19; /* JCB */
    return 0;
}

/* Whether the groups are those of a printed card: one of all digits, 4-4-4-..., 4-6-5 or 4-6-4. */
static bool is_printed(const size_t sizes[GROUPS_MAX], size_t groups) {
    if (groups == 1) return true;
    if (sizes[0] != 4) return false;
    if (groups == 3) return sizes[1] == 6 && (sizes[2] == 5 || sizes[2] == 4);
    if (groups < 4 || groups > 5) return false;
    return sizes[1] == 4 && sizes[2] == 4 && (groups == 4 ? sizes[3] <= 4 : sizes[3] == 4 && sizes[4] <= 4);
}

static bool is_between(uint8_t byte) { return byte == ' ' || byte == '-' || byte == '+'; }

/* Whether a card begins at the group at `at`; sets where it ends. */
static bool card_at(ns_find *find, size_t at, size_t stop, size_t *end) {
    uint8_t digits[DIGITS_MAX];
    size_t sizes[GROUPS_MAX] = {0}, count = 0, groups = 0, here = at;
    bool is_card = false;
    while (here < stop && groups < GROUPS_MAX) {
        while (here < stop && ns_is_digit(find->data[here])) {
            if (count == DIGITS_MAX) goto done;
            digits[count++] = find->data[here++] - '0';
            sizes[groups]++;
        }
        groups++;
        /* A number of nineteen digits without groups is an id. */
        if (count >= DIGITS_MIN && (groups > 1 || count <= 16) && lengths_of(digits) >> count & 1 &&
            is_printed(sizes, groups) && checks(digits, count)) {
            is_card = true;
            *end = here;
        }
        if (here < stop) here++;
    }
    if (!is_card && ns_find_is_cut(find, stop) && here >= stop && count >= CUT_MIN && count < DIGITS_MIN &&
        lengths_of(digits)) {
        is_card = true;
        *end = stop;
    }
done:
    find->visited += here - at;
    return is_card;
}

void ns_find_cards(ns_find *find, size_t at) {
    if (at < find->card_until || !ns_find_wants(find, NS_RULE_CARD)) return;
    const uint8_t *data = find->data;
    size_t begin = at, stop = at;
    while (begin > find->card_until &&
           (ns_is_digit(data[begin - 1]) || (is_between(data[begin - 1]) && begin > 1 && ns_is_digit(data[begin - 2]))))
        begin--;
    while (begin < stop && !ns_is_digit(data[begin])) begin++;
    while (stop < find->size &&
           (ns_is_digit(data[stop]) || (is_between(data[stop]) && stop + 1 < find->size && ns_is_digit(data[stop + 1]))))
        stop++;
    find->visited += stop - begin;
    find->card_until = stop;
    /* %20 and a number behind it */
    if (begin > 0 && data[begin - 1] == '%' && stop - begin > 2) begin += 2;
    /* A letter beside the digits makes them part of a hexadecimal number or a name, except where it ends an encoded byte. */
    if (stop < find->size && (ns_is_letter(data[stop]) || data[stop] == '_')) {
        while (stop > begin && ns_is_digit(data[stop - 1])) stop--;
        while (stop > begin && !ns_is_digit(data[stop - 1])) stop--;
    }
    size_t size;
    bool is_word = begin > 0 && (ns_is_letter(data[begin - 1]) || data[begin - 1] == '_');
    if (is_word && !(begin >= 3 && ns_find_percent(find, begin - 3, &size) >= 0)) {
        while (begin < stop && ns_is_digit(data[begin])) begin++;
        while (begin < stop && !ns_is_digit(data[begin])) begin++;
    }
    while (begin < stop) {
        size_t end = begin;
        if (card_at(find, begin, stop, &end)) {
            ns_find_add(find, begin, end, NS_RULE_CARD);
            begin = end;
        } else {
            while (begin < stop && ns_is_digit(data[begin])) begin++;
        }
        while (begin < stop && !ns_is_digit(data[begin])) begin++;
    }
}

bool ns_card_is_number(uint64_t number) {
    uint8_t reversed[20], digits[20];
    size_t count = 0;
    for (; number; number /= 10) reversed[count++] = (uint8_t)(number % 10);
    if (count < 14 || count > 16) return false;
    for (size_t i = 0; i < count; i++) digits[i] = reversed[count - 1 - i];
    return lengths_of(digits) >> count & 1 && checks(digits, count);
}
