#include "sampling/ns_ot.h"

#include <string.h>

#include "sampling/ns_threshold.h"

/* --- the value ----------------------------------------------------------------------------------------------------- */

/* The shortest item is a sub-key of one letter with an empty value and a separator. */
#define MAX_ITEMS (NS_OT_MAX_LENGTH / 3 + 1)

typedef struct item {
    uint16_t start, colon, end;
} item;

typedef struct items {
    unsigned count;
    item of[MAX_ITEMS];
} items;

static inline bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

static inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

static inline bool is_value(char c) {
    return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
}

static inline bool is_key(const char *value, item found, const char *two) {
    return found.colon - found.start == 2 && value[found.start] == two[0] && value[found.start + 1] == two[1];
}

static inline bool is_new(const char *value, const items *split, item found) {
    size_t key_size = (size_t)(found.colon - found.start);
    for (unsigned i = 0; i < split->count; i++) {
        item earlier = split->of[i];
        if ((size_t)(earlier.colon - earlier.start) == key_size &&
            memcmp(value + earlier.start, value + found.start, key_size) == 0)
            return false;
    }
    return true;
}

/* Splits a value into items. Returns false if it is malformed; split->count is then unspecified. */
static bool split_value(const char *value, size_t size, items *split) {
    split->count = 0;
    if (size == 0 || size > NS_OT_MAX_LENGTH) return false;
    size_t at = 0;
    for (;;) {
        item found = {.start = (uint16_t)at};
        if (at == size || !is_lower(value[at])) return false;
        do at++;
        while (at < size && (is_lower(value[at]) || is_digit(value[at])));
        if (at == size || value[at] != ':') return false;
        found.colon = (uint16_t)at++;
        while (at < size && is_value(value[at])) at++;
        found.end = (uint16_t)at;
        if (!is_new(value, split, found)) return false;
        split->of[split->count++] = found;
        if (at == size) return true;
        if (value[at++] != ';') return false;
    }
}

/* Parses the `th` and `rv` items. */
static void understand(const char *value, const items *split, ns_ot *ot) {
    for (unsigned i = 0; i < split->count; i++) {
        item found = split->of[i];
        const char *text = value + found.colon + 1;
        size_t length = (size_t)(found.end - found.colon - 1);
        if (is_key(value, found, "th")) ot->has_threshold = ns_threshold_decode(text, length, &ot->threshold);
        else if (is_key(value, found, "rv")) ot->has_randomness = ns_randomness_decode(text, length, &ot->randomness);
    }
}

bool ns_ot_read(const char *value, size_t size, ns_ot *ot) {
    items split;
    *ot = (ns_ot){0};
    if (!split_value(value, size, &split)) return false;
    understand(value, &split, ot);
    return true;
}

/* Appends "key:text", after a separator if the value is not empty. Returns false if it does not fit. */
static inline bool append(char *out, size_t *length, const char *text, size_t size) {
    size_t separator = *length != 0;
    if (*length + separator + size > NS_OT_MAX_LENGTH) return false;
    if (separator) out[(*length)++] = ';';
    memcpy(out + *length, text, size);
    *length += size;
    return true;
}

int ns_ot_write(const char *old, size_t size, uint64_t threshold, uint64_t randomness, char *out) {
    items split;
    ns_ot ot = {0};
    size_t length = 0;
    if (!split_value(old, size, &split)) split.count = 0;
    understand(old, &split, &ot);
    if (threshold < NS_THRESHOLD_LIMIT) {
        memcpy(out, "th:", 3);
        length = 3 + ns_threshold_encode(threshold, out + 3);
    }
    bool adds_randomness = randomness < NS_THRESHOLD_LIMIT && !ot.has_randomness;
    if (adds_randomness) {
        char text[3 + NS_THRESHOLD_DIGITS] = "rv:";
        for (int i = 0; i < NS_THRESHOLD_DIGITS; i++)
            text[3 + i] = "0123456789abcdef"[randomness >> 4 * (NS_THRESHOLD_DIGITS - 1 - i) & 0xf];
        append(out, &length, text, sizeof text);
    }
    for (unsigned i = 0; i < split.count; i++) {
        item found = split.of[i];
        if (is_key(old, found, "th") || (adds_randomness && is_key(old, found, "rv"))) continue;
        if (!append(out, &length, old + found.start, (size_t)(found.end - found.start))) return -1;
    }
    return (int)length;
}

/* --- the header ---------------------------------------------------------------------------------------------------- */

static inline bool is_blank(char c) { return c == ' ' || c == '\t'; }

typedef struct member {
    const char *start, *end; /* without surrounding blanks; empty for an empty member */
} member;

/* Returns the member at *at and moves *at past the comma that ends it, or to the end. */
static inline member next_member(const char **at, const char *end) {
    const char *start = *at;
    const char *comma = memchr(start, ',', (size_t)(end - start));
    member found = {start, comma ? comma : end};
    *at = comma ? comma + 1 : end;
    while (found.start < found.end && is_blank(*found.start)) found.start++;
    while (found.start < found.end && is_blank(found.end[-1])) found.end--;
    return found;
}

static inline bool is_ot(member found) { return found.end - found.start >= 3 && memcmp(found.start, "ot=", 3) == 0; }

bool ns_ot_find(const char *header, size_t size, const char **value, size_t *value_size) {
    if (size == 0) return false;
    const char *at = header, *end = header + size;
    while (at < end) {
        member found = next_member(&at, end);
        if (is_ot(found)) {
            *value = found.start + 3;
            *value_size = (size_t)(found.end - *value);
            return true;
        }
    }
    return false;
}

size_t ns_ot_in_header(const char *header, size_t size, const char *ot, size_t ot_size, char *out) {
    const char *at = header, *end = size ? header + size : header;
    char *to = out;
    unsigned members = 0;
    if (ot_size) {
        memcpy(to, "ot=", 3);
        memcpy(to + 3, ot, ot_size);
        to += 3 + ot_size;
        members = 1;
    }
    while (at < end && members < NS_TRACESTATE_MEMBERS) {
        member found = next_member(&at, end);
        size_t length = (size_t)(found.end - found.start);
        if (length == 0 || is_ot(found)) continue;
        if (members++) *to++ = ',';
        memcpy(to, found.start, length);
        to += length;
    }
    return (size_t)(to - out);
}
