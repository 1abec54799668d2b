#include "sampling/ot_model.h"

#include <string.h>

#include "sampling/ns_ot.h"
#include "ns_require.h"
#include "tail/ns_patch_threshold.h"

static bool among(char c, const char *chars) { return c && strchr(chars, c); }

static void add(ot_text *to, const char *chars, size_t size) {
    REQUIRE(to->size + size <= sizeof to->chars);
    memcpy(to->chars + to->size, chars, size);
    to->size += size;
}

static void add_item(ot_text *to, const char *separator, const char *chars, size_t size) {
    if (to->size) add(to, separator, 1);
    add(to, chars, size);
}

static size_t split(const char *chars, size_t size, char separator, ot_part *parts) {
    size_t count = 0;
    ot_part current = {chars, 0};
    for (size_t i = 0; i < size; i++) {
        if (chars[i] == separator) {
            parts[count++] = current;
            current = (ot_part){chars + i + 1, 0};
        } else {
            current.size++;
        }
    }
    parts[count++] = current;
    return count;
}

/* --- the header ---------------------------------------------------------------------------------------------------- */

static bool is_ot_member(ot_part member) { return member.size >= 3 && memcmp(member.start, "ot=", 3) == 0; }

size_t ot_split_header(const char *header, size_t size, ot_part *members) {
    size_t count = split(header, size, ',', members), kept = 0;
    for (size_t i = 0; i < count; i++) {
        ot_part member = members[i];
        for (; member.size && among(*member.start, " \t"); member.size--) member.start++;
        while (member.size && among(member.start[member.size - 1], " \t")) member.size--;
        if (member.size) members[kept++] = member;
    }
    return kept;
}

size_t ot_first(const ot_part *members, size_t count) {
    size_t first = 0;
    while (first < count && !is_ot_member(members[first])) first++;
    return first;
}

void ot_rewrite_header(const ot_part *members, size_t count, const ot_text *value, ot_text *header) {
    header->size = 0;
    size_t left = 32;
    if (value->size) {
        add(header, "ot=", 3);
        add(header, value->chars, value->size);
        left--;
    }
    for (size_t i = 0; i < count && left; i++) {
        if (is_ot_member(members[i])) continue;
        add_item(header, ",", members[i].start, members[i].size);
        left--;
    }
}

/* --- the value ----------------------------------------------------------------------------------------------------- */

static size_t key_size(ot_part item) {
    const char *colon = item.size ? memchr(item.start, ':', item.size) : NULL;
    return colon ? (size_t)(colon - item.start) : 0;
}

static bool is_keyed(ot_part item, const char *key) { return key_size(item) == 2 && memcmp(item.start, key, 2) == 0; }

static bool is_legal_item(ot_part item) {
    size_t key = key_size(item);
    for (size_t i = 0; i < item.size; i++) {
        const char *legal = i == 0    ? "abcdefghijklmnopqrstuvwxyz"
                            : i < key ? "abcdefghijklmnopqrstuvwxyz0123456789"
                                      : "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ._-";
        if (i != key && !among(item.start[i], legal)) return false;
    }
    return key != 0;
}

size_t ot_split_value(const char *value, size_t size, ot_part *items) {
    if (size == 0 || size > 256) return 0;
    size_t count = split(value, size, ';', items);
    for (size_t i = 0; i < count; i++) {
        if (!is_legal_item(items[i])) return 0;
        for (size_t j = 0; j < i; j++) {
            /* With its colon, no sub-key is a prefix of another. */
            size_t with_colon = key_size(items[i]) + 1;
            if (items[j].size >= with_colon && memcmp(items[i].start, items[j].start, with_colon) == 0) return 0;
        }
    }
    return count;
}

bool ot_has_key(const ot_part *items, size_t count, const char *two_letters) {
    bool found = false;
    for (size_t i = 0; i < count; i++) found |= is_keyed(items[i], two_letters);
    return found;
}

/* 1 to 14 digits, with trailing zeros implied; NS_OT_NONE for anything else. */
static uint64_t number_of(ot_part item) {
    char digits[15] = "00000000000000";
    size_t length = item.size - 3;
    if (length < 1 || length > 14) return NS_OT_NONE;
    for (size_t i = 0; i < length; i++) {
        if (!among(item.start[3 + i], "0123456789abcdef")) return NS_OT_NONE;
        digits[i] = item.start[3 + i];
    }
    return strtoull(digits, NULL, 16);
}

ot_said ot_understand(const ot_part *items, size_t count) {
    ot_said found = {NS_OT_NONE, NS_OT_NONE};
    for (size_t i = 0; i < count; i++) {
        if (is_keyed(items[i], "th")) found.threshold = number_of(items[i]);
        if (is_keyed(items[i], "rv") && items[i].size == 3 + 14) found.randomness = number_of(items[i]);
    }
    return found;
}

bool ot_rewrite(const ot_part *items, size_t count, uint64_t threshold, uint64_t randomness, ot_text *value) {
    char number[32];
    value->size = 0;
    if (threshold != NS_OT_NONE) {
        int length = snprintf(number, sizeof number, "th:%014llx", (unsigned long long)threshold);
        while (length > 4 && number[length - 1] == '0') length--;
        add_item(value, ";", number, (size_t)length);
    }
    bool adds = randomness != NS_OT_NONE && ot_understand(items, count).randomness == NS_OT_NONE;
    if (adds) {
        int length = snprintf(number, sizeof number, "rv:%014llx", (unsigned long long)randomness);
        add_item(value, ";", number, (size_t)length);
    }
    for (size_t i = 0; i < count; i++)
        if (!is_keyed(items[i], "th") && !(adds && is_keyed(items[i], "rv")))
            add_item(value, ";", items[i].start, items[i].size);
    return value->size <= 256;
}

/* --- the request ------------------------------------------------------------------------------------------------- */

static uint64_t any_threshold(const uint8_t *data, size_t size) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++) hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    return hash >> 8 >> (hash & 3) * 12 << (hash & 3) * 12;
}

ot_request ot_request_of(const uint8_t *data, size_t size) {
    uint8_t choice = size ? data[0] : 0;
    const uint64_t thresholds[] = {NS_OT_NONE, 0, any_threshold(data, size), UINT64_C(0xffffffffffffff)};
    ot_request asked = {.threshold = thresholds[choice & 3], .randomness = choice & 4 ? thresholds[2] : NS_OT_NONE};
    /* Raising requires a threshold. */
    asked.action = asked.threshold == NS_OT_NONE ? NS_TH_ERASE : choice & 16 ? NS_TH_LEAVE : NS_TH_RAISE;
    return asked;
}
