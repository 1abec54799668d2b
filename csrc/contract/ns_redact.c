#include "contract/ns_redact.h"
#include "contract/search/ns_card.h"
#include "contract/ns_fold.h"
#include "contract/ns_literals.h"
#include "contract/search/ns_pair.h"
#include "contract/search/ns_url.h"

#include <stdlib.h>
#include <string.h>

/* Kinds of places; those from NS_LITERAL_KIND on are for literals. */
enum { BEFORE_SIGN = 0, BEFORE_QUOTE = 1, AT_SIGN = 2, ENCODED = 3 };
enum { WIDE_ON_STACK = 1024, KEY_SEARCH = 4 * NS_KEY_MAX };

struct ns_redactor {
    ns_scan_tables tables;
    ns_scan_next_fn *next;
    uint32_t detectors;
    size_t max_bytes;
    ns_keys *keys;
    ns_literals *literals;
    char marker[NS_MARKER_MAX];
    size_t marker_size;
};

ns_redactor *ns_redactor_new(uint32_t detectors, size_t max_bytes) {
    void *memory = NULL;
    if (posix_memalign(&memory, 64, sizeof(ns_redactor)) != 0) return NULL;
    ns_redactor *redactor = memset(memory, 0, sizeof *redactor);
    ns_scan_version versions[NS_SCAN_VERSIONS];
    redactor->next = versions[ns_scan_versions(versions) - 1].next;
    redactor->detectors = detectors;
    redactor->max_bytes = max_bytes;
    redactor->keys = ns_keys_new();
    redactor->literals = ns_literals_new();
    bool made = redactor->keys && redactor->literals && ns_redactor_set_marker(redactor, "REDACTED", 8);
    for (size_t i = 0; made && i < ns_tokens_count; i++) {
        if (detectors >> ns_tokens[i].rule & 1) made = ns_literals_add(redactor->literals, &ns_tokens[i]);
    }
    if (made) return redactor;
    ns_redactor_free(redactor);
    return NULL;
}

void ns_redactor_free(ns_redactor *redactor) {
    if (!redactor) return;
    ns_keys_free(redactor->keys);
    ns_literals_free(redactor->literals);
    free(redactor);
}

bool ns_redactor_add_key(ns_redactor *redactor, const char *key, size_t size, uint32_t flags) {
    return ns_keys_add(redactor->keys, key, size, flags);
}

bool ns_redactor_add_literal(ns_redactor *redactor, const char *text, size_t size) {
    if (size < NS_LITERAL_MIN || size > NS_LITERAL_MAX) return false;
    if (ns_literals_count(redactor->literals) >= ns_tokens_count + NS_LITERALS_MAX) return false;
    ns_token token = {text, size, NS_TOKEN_LITERAL, NS_RULE_LITERAL, false, false, NS_ALPHABET_ALNUM, 0};
    return ns_literals_add(redactor->literals, &token);
}

bool ns_redactor_set_marker(ns_redactor *redactor, const char *marker, size_t size) {
    if (size == 0 || size > NS_MARKER_MAX) return false;
    memcpy(redactor->marker, marker, size);
    redactor->marker_size = size;
    return true;
}

bool ns_redactor_use_scan(ns_redactor *redactor, const char *name) {
    ns_scan_version versions[NS_SCAN_VERSIONS];
    for (size_t i = ns_scan_versions(versions); i-- > 0;) {
        if (strcmp(versions[i].name, name) != 0) continue;
        redactor->next = versions[i].next;
        return true;
    }
    return false;
}

static ns_scan_class class_of(const char *bytes) {
    ns_scan_class set = {{0}};
    for (; *bytes; bytes++) ns_scan_class_add(&set, (uint8_t)*bytes);
    return set;
}

static ns_scan_class both(ns_scan_class one, ns_scan_class other) {
    for (size_t i = 0; i < 4; i++) one.bits[i] |= other.bits[i];
    return one;
}

void ns_redactor_finish(ns_redactor *redactor) {
    const ns_scan_class any = {{~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0)}};
    ns_scan_tables *tables = &redactor->tables;
    ns_scan_tables_clear(tables);
    if (redactor->detectors >> NS_RULE_PAIR & 1) {
        ns_scan_class last = {{0}}, before_last = {{0}}, brackets = class_of("[]0123456789");
        ns_keys_last_bytes(redactor->keys, &last, &before_last);
        /* token= token[]= token[0]= user[token]= token = */
        before_last = both(both(before_last, class_of("-_.[0123456789")), last);
        ns_scan_tables_add(tables, BEFORE_SIGN, (ns_scan_class[]){before_last, both(last, class_of("] \t")), class_of("=:")});
        /* "token": "token" : \"token\": token%3D token%5D= ('token', */
        ns_scan_tables_add(tables, BEFORE_QUOTE,
                           (ns_scan_class[]){both(last, class_of("]")), class_of("\"'\\%"), class_of(":= \"'\\235,")});
        /* The last or the last but one byte of a key may be percent-encoded. */
        bool has_digits = false;
        for (uint8_t digit = '0'; digit <= '9'; digit++) has_digits |= ns_scan_class_has(&last, digit);
        ns_scan_tables_add(tables, ENCODED,
                           (ns_scan_class[]){class_of("%"), class_of(has_digits ? "34567" : "4567"), class_of("0123456789abcdefABCDEF")});
        (void)brackets;
    } else if (redactor->detectors >> NS_RULE_EMAIL & 1) {
        ns_scan_tables_add(tables, ENCODED, (ns_scan_class[]){class_of("%"), class_of("4"), class_of("0")});
    }
    if (redactor->detectors & (1u << NS_RULE_USERINFO | 1u << NS_RULE_EMAIL)) {
        ns_scan_tables_add(tables, AT_SIGN, (ns_scan_class[]){any, class_of("@"), any});
    }
    ns_literals_finish(redactor->literals, tables);
    ns_scan_tables_finish(tables);
}

/* A percent-encoded byte: an "@", or one of a key, whose sign is then looked for. */
static void encoded(ns_find *find, size_t at) {
    size_t size, end = at;
    int byte = ns_find_percent(find, at, &size);
    if (byte == '@') ns_find_at_sign(find, at, size);
    if (at < find->percent_until || byte < 0 || byte >= 0x80 || !ns_fold_is_word((uint8_t)byte)) return;
    while (end < find->size && end - at < KEY_SEARCH) {
        int next = ns_find_percent(find, end, &size);
        if (next < 0) size = 1, next = find->data[end];
        if (next >= 0x80 || !ns_fold_byte[next]) break;
        end += size;
    }
    find->visited += end - at;
    find->percent_until = end;
    ns_find_pair(find, end);
}

static void examine(const ns_redactor *redactor, ns_find *find, size_t at) {
    uint8_t kinds = ns_scan_kinds(&redactor->tables, find->data + at);
    if (kinds & 1 << BEFORE_SIGN) ns_find_pair_before(find, at + 2);
    if (kinds & 1 << BEFORE_QUOTE) ns_find_pair(find, at + 1);
    if (kinds & 1 << AT_SIGN) ns_find_at_sign(find, at + 1, 1);
    if (kinds & 1 << ENCODED) encoded(find, at);
    if (kinds >> NS_LITERAL_KIND) ns_literals_examine(redactor->literals, find, at);
}

static void examine_block(const ns_redactor *redactor, ns_find *find, const ns_scan *scan) {
    for (uint64_t starts = scan->starts; starts && !(find->any && find->only_whether); starts &= starts - 1) {
        examine(redactor, find, scan->base + (size_t)__builtin_ctzll(starts));
    }
    for (uint64_t digits = scan->digits; digits; digits &= digits - 1) {
        int64_t at = scan->digits_base + __builtin_ctzll(digits);
        if (at >= 0) ns_find_cards(find, (size_t)at);
    }
}

static bool begins_with_option(const uint8_t *data, size_t size) { return size > 4 && data[0] == '-' && data[1] == '-'; }

/* Examines everything; `scan` has found its first block already if `has_block`. */
static void find_all(const ns_redactor *redactor, ns_find *find, ns_scan *scan, bool has_block) {
    if (begins_with_option(find->data, find->size)) ns_find_option(find, 0);
    while (has_block && !(find->any && find->only_whether)) {
        examine_block(redactor, find, scan);
        has_block = redactor->next(&redactor->tables, scan);
    }
    if (find->as & NS_AS_OPEN_END && find->size > 0) {
        ns_find_cut_authority(find);
        if (ns_is_digit(find->data[find->size - 1])) ns_find_cards(find, find->size - 1);
    }
}

static void begin_find(const ns_redactor *redactor, ns_find *find, const uint8_t *data, size_t size, uint32_t as) {
    *find = (ns_find){.data = data, .size = size, .as = as, .detectors = redactor->detectors, .keys = redactor->keys};
    find->marker = redactor->marker;
    find->marker_size = redactor->marker_size;
}

static __attribute__((noinline)) bool is_found(const ns_redactor *redactor, ns_scan *scan, uint32_t as, bool has_block) {
    ns_find find;
    begin_find(redactor, &find, scan->data, scan->size, as);
    find.only_whether = true;
    find_all(redactor, &find, scan, has_block);
    return find.any;
}

static inline bool suspect_bytes(const ns_redactor *redactor, const uint8_t *data, size_t size, uint32_t as) {
    if (NS_UNLIKELY(size > redactor->max_bytes)) return true;
    ns_scan scan;
    ns_scan_begin(&scan, data, size);
    bool has_block = redactor->next(&redactor->tables, &scan);
    if (NS_LIKELY(!has_block && !(as & NS_AS_OPEN_END) && !begins_with_option(data, size))) return false;
    return is_found(redactor, &scan, as, has_block);
}

/* All that is looked for is ASCII: other code points become a byte that is none. */
static __attribute__((noinline)) bool suspect_wide(const ns_redactor *redactor, const ns_text *value, uint32_t as) {
    size_t size = value->length;
    if (size > redactor->max_bytes) return true;
    uint8_t stack[WIDE_ON_STACK], *bytes = size <= sizeof stack ? stack : malloc(size);
    if (!bytes) return true;
    for (size_t i = 0; i < size; i++) {
        uint32_t point = value->width == NS_TEXT_UCS2 ? ((const uint16_t *)value->data)[i] : ((const uint32_t *)value->data)[i];
        bytes[i] = point < 0x80 ? (uint8_t)point : 0xFF;
    }
    bool found = suspect_bytes(redactor, bytes, size, as);
    if (bytes != stack) free(bytes);
    return found;
}

bool ns_redact_suspect(const ns_redactor *redactor, const ns_text *value, uint32_t as) {
    if (NS_UNLIKELY(value->width > NS_TEXT_LATIN1)) return suspect_wide(redactor, value, as);
    return suspect_bytes(redactor, value->data, value->length, as);
}

static void append(ns_buf *out, const void *bytes, size_t size) {
    uint8_t *room = ns_buf_room(out, size);
    if (!room) return;
    if (size) memcpy(room, bytes, size);
    out->len += size;
}

static size_t mask_all(const ns_redactor *redactor, ns_buf *out, ns_redact_hits *hits) {
    append(out, redactor->marker, redactor->marker_size);
    hits->by_rule[NS_RULE_OVER_CAP]++;
    return 1;
}

size_t ns_redact_utf8(const ns_redactor *redactor, const char *in, size_t size, uint32_t as, ns_buf *out, ns_redact_hits *hits) {
    if (size > redactor->max_bytes) return mask_all(redactor, out, hits);
    ns_found found[NS_FOUND_MAX];
    ns_find find;
    ns_scan scan;
    begin_find(redactor, &find, (const uint8_t *)in, size, as);
    find.found = found;
    ns_scan_begin(&scan, find.data, size);
    find_all(redactor, &find, &scan, redactor->next(&redactor->tables, &scan));
    hits->visited += find.visited;
    if (find.too_many) return mask_all(redactor, out, hits);
    size_t done = 0;
    for (size_t i = 0; i < find.count; i++) {
        append(out, in + done, found[i].begin - done);
        append(out, redactor->marker, redactor->marker_size);
        hits->by_rule[found[i].rule]++;
        done = found[i].end;
    }
    if (find.count) append(out, in + done, size - done);
    return find.count;
}

bool ns_redact_int(const ns_redactor *redactor, int64_t value) {
    return value >= 0 && redactor->detectors >> NS_RULE_CARD & 1 && ns_card_is_number((uint64_t)value);
}
