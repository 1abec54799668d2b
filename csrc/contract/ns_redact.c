#include "contract/ns_redact.h"
#include "contract/search/ns_card.h"
#include "contract/ns_fold.h"
#include "contract/ns_literals.h"
#include "contract/search/ns_pair.h"
#include "contract/search/ns_url.h"

#include <stdlib.h>
#include <string.h>

enum { WIDE_ON_STACK = 1024, KEY_SEARCH = 4 * NS_KEY_MAX };

struct ns_redactor {
    ns_scan_tables tables;
    ns_scan_version scan;
    uint32_t detectors;
    size_t max_bytes;
    ns_keys *keys;
    ns_literals *literals;
    char marker[NS_MARKER_MAX];
    size_t marker_size;
};

ns_redactor *ns_redactor_new(uint32_t detectors, size_t max_bytes) {
    ns_redactor *redactor = aligned_alloc(_Alignof(ns_redactor), sizeof *redactor);
    if (!redactor) return NULL;
    memset(redactor, 0, sizeof *redactor);
    ns_scan_version versions[NS_SCAN_VERSIONS];
    redactor->scan = versions[ns_scan_versions(versions) - 1];
    redactor->detectors = detectors;
    redactor->max_bytes = max_bytes > NS_SCAN_SHORT ? max_bytes : NS_SCAN_SHORT;
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
        redactor->scan = versions[i];
        return true;
    }
    return false;
}

static ns_scan_class class_of(const char *bytes) {
    ns_scan_class set = {{0}};
    for (; *bytes; bytes++) ns_scan_class_add(&set, (uint8_t)*bytes);
    return set;
}

static ns_scan_class with(ns_scan_class set, const ns_scan_class more) {
    for (size_t i = 0; i < 4; i++) set.bits[i] |= more.bits[i];
    return set;
}

static ns_scan_pattern pattern_of(const char *first, const char *second, const char *last) {
    ns_scan_pattern pattern = {{class_of(first), class_of(second), class_of(last)}, {{0}}};
    return pattern;
}

/* The end of a key and what may follow: token= token: token[]= user[token]= "token": \"token\": token%3D token = . Patterns
 * of the last two bytes and a sign, for every two bytes. Returns how many patterns there are; those of `patterns` may be NULL. */
static size_t ends_of_keys(const ns_keys *keys, ns_scan_pattern *patterns) {
    const ns_scan_class blanks = class_of(" \t"), signs = class_of("=:"), marks = class_of("-_.");
    size_t count = 0;
    bool has_digits = false;
    ns_scan_pattern ignored[3], *here = ignored;
    for (unsigned which = 0; which < NS_KEY_ENDS; which++) {
        ns_scan_class first, second, last;
        if (!ns_keys_end(keys, which, &first, &second, &last)) continue;
        if (patterns) here = patterns + count;
        has_digits = has_digits || which / NS_KEY_SYMBOLS >= 26 || which % NS_KEY_SYMBOLS >= 26;
        here[0] = (ns_scan_pattern){{second, last, class_of("=:>[]\\")}, with(first, marks)};
        here[1] = (ns_scan_pattern){{second, last, class_of("\"'%")}, with(first, marks)};
        here[2] = (ns_scan_pattern){{last, blanks, signs}, second};
        count += 3;
    }
    if (patterns) {
        patterns[count] = (ns_scan_pattern){{blanks, blanks, signs},
                                            class_of(" \tabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")};
        /* A byte of a key may be percent-encoded; and --token value. */
        patterns[count + 1] = pattern_of("%", has_digits ? "34567" : "4567", "0123456789abcdefABCDEF");
        patterns[count + 2] = pattern_of("%", "2", "dDeE");
        patterns[count + 3] = pattern_of("-", "-", "abcdefghijklmnopqrstuvwxyz");
        patterns[count + 3].before = class_of(" \t\r\n\"'`");
    }
    return count + 4;
}

bool ns_redactor_finish(ns_redactor *redactor) {
    const ns_scan_class any = {{~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0)}};
    bool wants_pairs = redactor->detectors >> NS_RULE_PAIR & 1;
    size_t count = 0,
           room = 2 + ns_literals_count(redactor->literals) + (wants_pairs ? ends_of_keys(redactor->keys, NULL) : 0);
    ns_scan_pattern *patterns = malloc(room * sizeof *patterns);
    if (!patterns) return false;
    if (redactor->detectors & (1u << NS_RULE_USERINFO | 1u << NS_RULE_EMAIL)) {
        patterns[count++] = (ns_scan_pattern){{any, class_of("@"), any}, {{0}}};
    }
    if (wants_pairs) count += ends_of_keys(redactor->keys, patterns + count);
    else if (redactor->detectors >> NS_RULE_EMAIL & 1) patterns[count++] = pattern_of("%", "4", "0");
    ns_literals_finish(redactor->literals, patterns + count);
    bool made = ns_scan_tables_make(&redactor->tables, patterns, count + ns_literals_count(redactor->literals));
    free(patterns);
    return made;
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
    const uint8_t *window = find->data + at;
    if (window[1] == '@') ns_find_at_sign(find, at + 1, 1);
    if (window[0] == '%') encoded(find, at);
    if (redactor->detectors >> NS_RULE_PAIR & 1) {
        if (window[0] == '-' && window[1] == '-') ns_find_option(find, at);
        else if (ns_is_blank(window[1])) ns_find_pair_before(find, at + 2);
        else if (ns_fold_is_word(window[1]) && !ns_fold_is_word(window[2])) ns_find_pair(find, at + 2);
    }
    ns_literals_examine(redactor->literals, find, at);
}

/* Whether examining the place can find anything: a cheaper question, and almost always the last one. */
static bool is_worth(const ns_redactor *redactor, const uint8_t *data, size_t at) {
    const uint8_t *window = data + at;
    if (window[1] == '@' || window[0] == '%' || window[0] == '-' || ns_is_blank(window[0])) return true;
    if (!ns_fold_is_word(window[2])) {
        size_t begin, steps = 0;
        if (ns_keys_find(redactor->keys, data, at + 1 + !ns_is_blank(window[1]), &begin, &steps)) return true;
    }
    return ns_literals_has(redactor->literals, window);
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

/* Examines everything; `scan` has found its first block already if `has_block`. */
static void find_all(const ns_redactor *redactor, ns_find *find, ns_scan *scan, bool has_block) {
    while (has_block && !(find->any && find->only_whether)) {
        examine_block(redactor, find, scan);
        has_block = redactor->scan.next(&redactor->tables, scan);
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

/* Blocks of which no place is worth being examined are passed over. */
static inline bool next_worth(const ns_redactor *redactor, ns_scan *scan) {
    while (redactor->scan.next(&redactor->tables, scan)) {
        uint64_t worth = 0;
        for (uint64_t starts = scan->starts; starts; starts &= starts - 1) {
            if (is_worth(redactor, scan->data, scan->base + (size_t)__builtin_ctzll(starts))) worth |= starts & -starts;
        }
        scan->starts = worth;
        if (worth | scan->digits) return true;
    }
    return false;
}

static __attribute__((noinline)) bool suspect_long(const ns_redactor *redactor, const uint8_t *data, size_t size,
                                                   uint32_t as) {
    if (size > redactor->max_bytes) return true;
    ns_scan scan;
    ns_scan_begin(&scan, data, size);
    bool has_block = next_worth(redactor, &scan);
    if (!has_block && !(as & NS_AS_OPEN_END)) return false;
    return is_found(redactor, &scan, as, has_block);
}

/* All that is looked for is ASCII: other code points become a byte that is none. */
static __attribute__((noinline)) bool suspect_wide(const ns_redactor *redactor, const ns_text *value, uint32_t as) {
    size_t size = value->length;
    if (size > redactor->max_bytes) return true;
    uint8_t stack[WIDE_ON_STACK];
    uint8_t *bytes = size <= sizeof stack ? memset(stack, 0, size) : malloc(size ? size : 1);
    if (!bytes) return true;
    for (size_t i = 0; i < size; i++) {
        uint32_t point =
            value->width == NS_TEXT_UCS2 ? ((const uint16_t *)value->data)[i] : ((const uint32_t *)value->data)[i];
        bytes[i] = point < 0x80 ? (uint8_t)point : 0xFF;
    }
    bool found = suspect_long(redactor, bytes, size, as);
    if (bytes != stack) free(bytes);
    return found;
}

bool ns_redact_suspect(const ns_redactor *redactor, const ns_text *value, uint32_t as) {
    if (NS_UNLIKELY(value->width > NS_TEXT_LATIN1)) return suspect_wide(redactor, value, as);
    if (NS_LIKELY(value->length <= NS_SCAN_SHORT && !(as & NS_AS_OPEN_END)) &&
        NS_LIKELY(!redactor->scan.any_in_short(&redactor->tables, value->data, value->length)))
        return false;
    return suspect_long(redactor, value->data, value->length, as);
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

size_t ns_redact_utf8(const ns_redactor *redactor, const char *in, size_t size, uint32_t as, ns_buf *out,
                      ns_redact_hits *hits) {
    if (size > redactor->max_bytes) return mask_all(redactor, out, hits);
    ns_found found[NS_FOUND_MAX];
    ns_find find;
    ns_scan scan;
    begin_find(redactor, &find, (const uint8_t *)in, size, as);
    find.found = found;
    ns_scan_begin(&scan, find.data, size);
    find_all(redactor, &find, &scan, redactor->scan.next(&redactor->tables, &scan));
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
