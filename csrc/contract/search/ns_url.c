#include "contract/search/ns_url.h"

#include <string.h>

enum { LOCAL_MAX = 64, DOMAIN_MAX = 253, HOST_BEFORE_CUT = 256 };

static bool ends_authority(uint8_t byte) {
    return byte == '/' || byte == '?' || byte == '#' || byte == '<' || byte == '>' || byte == '\\' || ns_is_space(byte) ||
           ns_is_quote(byte);
}

/* Sets part_begin to where the part of the text begins in which `at` lies and nothing ends an authority, and
 * part_is_authority to whether "//" stands before it. Goes back no further than to a byte that was asked about before. */
static void find_part(ns_find *find, size_t at) {
    size_t begin = at, known = find->part_until;
    while (begin > known && !ends_authority(find->data[begin - 1])) begin--;
    find->visited += at - begin;
    find->part_until = at;
    if (begin == known && known > 0) return;
    find->part_begin = find->part_colon = begin;
    find->part_is_authority = begin > 1 && find->data[begin - 1] == '/' && find->data[begin - 2] == '/';
}

static bool is_host_byte(uint8_t byte) {
    return ns_is_alnum(byte) || byte == '.' || byte == '-' || byte == '[' || byte >= 0x80;
}

/* Masks what stands before the last "@" of the authority: its user and its password. */
static void userinfo(ns_find *find, size_t begin, size_t at) {
    size_t end = at, last = at;
    for (; end < find->size && !ends_authority(find->data[end]); end++) {
        if (find->data[end] == '@') last = end;
    }
    find->visited += end - at;
    find->authority_until = end;
    if (last == begin) return;
    size_t colon = begin;
    while (colon < last && find->data[colon] != ':') colon++;
    find->visited += colon - begin;
    if (colon == last && last - begin == 3 && memcmp(find->data + begin, "git", 3) == 0) return;
    ns_find_add(find, begin, colon, NS_RULE_USERINFO);
    if (colon < last) ns_find_add(find, colon + 1, last, NS_RULE_USERINFO);
}

static bool is_local_byte(uint8_t byte) { return ns_is_alnum(byte) || (byte && strchr("._%+-", byte)); }

/* The begin of the part of an address that stands before the "@"; `at` if there is none. A percent-encoded byte ends it. */
static size_t local_begin(ns_find *find, size_t at) {
    size_t begin = at;
    while (begin > 0 && at - begin < LOCAL_MAX && is_local_byte(find->data[begin - 1])) begin--;
    for (size_t i = at; i-- > begin;) {
        size_t size = 0;
        if (find->data[i] != '%' || ns_find_percent(find, i, &size) < 0 || i + size > at) continue;
        int decoded = ns_find_percent(find, i, &size);
        if (is_local_byte((uint8_t)decoded) && decoded < 0x80) continue;
        begin = i + size;
        break;
    }
    while (begin < at && (find->data[begin] == '.' || find->data[begin] == '-')) begin++;
    find->visited += at - begin;
    return begin;
}

/* The end of a host with a dot in it whose last label is of letters; `begin` if there is none. */
static size_t domain_end(ns_find *find, size_t begin) {
    size_t end = begin, label = begin, good = begin;
    bool letters_only = true;
    for (; end <= find->size && end - begin <= DOMAIN_MAX; end++) {
        uint8_t byte = end < find->size ? find->data[end] : ' ';
        if (ns_is_alnum(byte) || byte == '-' || byte >= 0x80) {
            letters_only = letters_only && (ns_is_letter(byte) || byte >= 0x80);
            continue;
        }
        if (end == label) break;
        if (label > begin && letters_only && end - label >= 2) good = end;
        if (byte != '.') break;
        label = end + 1;
        letters_only = true;
    }
    find->visited += end - begin;
    return good;
}

static void email(ns_find *find, size_t at, size_t size) {
    if (!ns_find_wants(find, NS_RULE_EMAIL)) return;
    size_t begin = local_begin(find, at);
    if (begin == at) return;
    if (at - begin == 3 && memcmp(find->data + begin, "git", 3) == 0) return; /* git@host.name:path */
    size_t host = at + size, end = domain_end(find, host);
    if (end == host) return;
    /* image@2x.png is a picture at twice its size. */
    if (end - host > 3 && ns_is_digit(find->data[host]) && find->data[host + 1] == 'x' && find->data[host + 2] == '.')
        return;
    ns_find_add(find, begin, end, NS_RULE_EMAIL);
}

static bool is_scheme_of_address(const ns_find *find, size_t begin, size_t colon) {
    static const char *const schemes[] = {"mailto", "sip", "sips", "acct", "xmpp", NULL};
    for (const char *const *scheme = schemes; *scheme; scheme++) {
        if (strlen(*scheme) == colon - begin && ns_find_has(find, begin, *scheme)) return true;
    }
    return false;
}

void ns_find_at_sign(ns_find *find, size_t at, size_t size) {
    if (at < find->authority_until) return;
    bool wants_userinfo = ns_find_wants(find, NS_RULE_USERINFO) && size == 1;
    if (wants_userinfo) {
        find_part(find, at);
        if (find->part_is_authority) {
            userinfo(find, find->part_begin, at);
            return;
        }
        /* Without a scheme: user:password@host, at the start of a word. */
        size_t begin = find->part_begin, colon = find->part_colon;
        bool starts_word = begin == 0 || find->data[begin - 1] != '/';
        while (colon < at && find->data[colon] != ':') colon++;
        find->visited += colon - find->part_colon;
        find->part_colon = colon;
        if (starts_word && colon > begin && colon + 1 < at && at - begin <= DOMAIN_MAX && at + 1 < find->size &&
            is_host_byte(find->data[at + 1]) && !is_scheme_of_address(find, begin, colon) &&
            !ns_find_has(find, at + 1, "sha256:")) { /* image:tag@sha256:... is an image by its digest */
            for (size_t i = colon; i-- > begin;) {
                if (find->data[i] == '=' || find->data[i] == ',' || find->data[i] == '(' || find->data[i] == '&' ||
                    find->data[i] == ';') {
                    begin = i + 1;
                    break;
                }
            }
            size_t digits = begin; /* 12:30@room */
            while (digits < colon && ns_is_digit(find->data[digits])) digits++;
            if (digits < colon) {
                userinfo(find, begin, at);
                return;
            }
        }
    }
    email(find, at, size);
}

void ns_find_cut_authority(ns_find *find) {
    if (!ns_find_wants(find, NS_RULE_USERINFO)) return;
    size_t begin = find->size, lowest = begin > HOST_BEFORE_CUT ? begin - HOST_BEFORE_CUT : 0;
    while (begin > lowest && !ends_authority(find->data[begin - 1])) {
        begin--;
        if (find->data[begin] == '@') return;
    }
    find->visited += find->size - begin;
    if (begin < 3 || memcmp(find->data + begin - 3, "://", 3) != 0) return;
    const uint8_t *colon = memchr(find->data + begin, ':', find->size - begin);
    if (!colon) return;
    size_t password = (size_t)(colon - find->data) + 1, digits = password;
    while (digits < find->size && ns_is_digit(find->data[digits])) digits++;
    /* host:port */
    if (digits == find->size && digits - password <= 5) return;
    ns_find_add(find, begin, password - 1, NS_RULE_USERINFO);
    ns_find_add(find, password, find->size, NS_RULE_USERINFO);
}
