#include "contract/search/ns_find.h"

#include <string.h>

void ns_find_add(ns_find *find, size_t begin, size_t end, ns_rule rule) {
    if (begin >= end || (end - begin == find->marker_size && memcmp(find->data + begin, find->marker, end - begin) == 0))
        return;
    find->any = true;
    if (find->only_whether || find->too_many) return;
    /* Those at the end of the list that begin behind the new one make room for it, or become part of it. */
    ns_found *found = find->found;
    size_t behind = find->count;
    while (behind > 0 && found[behind - 1].begin >= end) behind--;
    size_t first = behind;
    while (first > 0 && found[first - 1].end > begin) first--;
    ns_found joined = {begin, end, rule};
    if (first < behind) {
        if (found[first].begin <= begin) {
            joined.begin = found[first].begin;
            joined.rule = found[first].rule;
        }
        if (found[behind - 1].end > end) joined.end = found[behind - 1].end;
    } else if (find->count == NS_FOUND_MAX) {
        find->too_many = true;
        return;
    }
    memmove(found + first + 1, found + behind, (find->count - behind) * sizeof *found);
    find->count = find->count - (behind - first) + 1;
    found[first] = joined;
}

bool ns_find_has(const ns_find *find, size_t at, const char *lower) {
    for (; *lower; lower++, at++) {
        if (at >= find->size) return false;
        uint8_t byte = find->data[at];
        if ((ns_is_letter(byte) ? byte | 0x20 : byte) != (uint8_t)*lower) return false;
    }
    return true;
}

int ns_find_percent(const ns_find *find, size_t at, size_t *size) {
    if (at >= find->size || find->data[at] != '%') return -1;
    size_t digits = at + 1;
    /* %253D is %3D, encoded once more. */
    while (digits - at < 9 && digits + 4 <= find->size && find->data[digits] == '2' && find->data[digits + 1] == '5')
        digits += 2;
    if (digits + 2 > find->size) return -1;
    *size = digits + 2 - at;
    return ns_hex_pair(find->data + digits);
}
