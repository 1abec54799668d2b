#include "contract/search/ns_value.h"
#include "contract/ns_fold.h"

#include <string.h>

/* Longer values are no placeholders. */
enum { PLACEHOLDER_MAX = 40, WORD_MAX = 64, PORT_DIGITS = 5, CHANCE_MIN = 8 };

static bool is_name_byte(uint8_t byte) { return ns_is_alnum(byte) || byte == '_' || byte == '.'; }

static bool is_name(const uint8_t *at, size_t size) {
    if (size == 0 || ns_is_digit(*at)) return false;
    for (size_t i = 0; i < size; i++) {
        if (!is_name_byte(at[i])) return false;
    }
    return true;
}

static bool is_word_of(const ns_find *find, size_t begin, size_t size, const char *const *words) {
    for (; *words; words++) {
        if (strlen(*words) == size && ns_find_has(find, begin, *words)) return true;
    }
    return false;
}

/* What stands in the place of a value, or says that there is none: "", null, ?, %s, $1, :name, {name}, ****, the marker. */
static bool is_placeholder(const ns_find *find, size_t begin, size_t end) {
    static const char *const none[] = {"null",       "none",     "nil",    "true",       "false",      "undefined",
                                       "redacted",   "filtered", "masked", "[redacted]", "[filtered]", "[masked]",
                                       "<redacted>", "...",      "[]",     "{}",         NULL};
    const uint8_t *at = find->data + begin;
    size_t size = end - begin;
    if (size == 0) return true;
    if (size > PLACEHOLDER_MAX) return false;
    if (size == find->marker_size && memcmp(at, find->marker, size) == 0) return true;
    if (is_word_of(find, begin, size, none)) return true;
    size_t stars = 0;
    while (stars < size && at[stars] == '*') stars++;
    if (stars == size) return true;
    uint8_t last = at[size - 1];
    if (size == 1) return *at == '?';
    if (*at == '%' && size == 2) return last == 's' || last == 'd' || last == 'r';
    if (*at == '$' || *at == '?') {
        size_t digits = 1;
        while (digits < size && ns_is_digit(at[digits])) digits++;
        if (digits == size) return true;
    }
    if (*at == ':') return is_name(at + 1, size - 1);
    if ((*at == '{' && last == '}') || (*at == '<' && last == '>')) return is_name(at + 1, size - 2);
    if (size > 3 && at[0] == '$' && at[1] == '{' && last == '}') return is_name(at + 2, size - 3);
    return size > 4 && at[0] == '%' && at[1] == '(' && at[size - 2] == ')' && is_name(at + 2, size - 4);
}

/* Whether the unquoted value is an expression of a program, as in the lines of a stack trace: a call, or a name that ends as a
 * sensitive key does, in a list of arguments or behind a dot. */
static bool is_code(ns_find *find, size_t begin) {
    size_t end = begin;
    bool has_dot = false;
    while (end < find->size && end - begin < WORD_MAX && is_name_byte(find->data[end])) has_dot |= find->data[end++] == '.';
    find->visited += end - begin;
    if (end == begin || end - begin == WORD_MAX || ns_is_digit(find->data[begin])) return false;
    uint8_t next = end < find->size ? find->data[end] : ' ';
    if (next == '(' && end + 1 < find->size) return true;
    if (!has_dot && next != ')' && next != ',') return false;
    if (next != ')' && next != ',' && !ns_is_space(next)) return false;
    size_t key;
    return ns_keys_find(find->keys, find->data, end, &key, &find->visited) != 0 ||
           (has_dot && end - begin > 3 && ns_find_has(find, end - 3, ".id"));
}

/* Whether `key=` or `key: ` follows. */
static bool pair_follows(ns_find *find, size_t at) {
    size_t key = at;
    while (at < find->size && at - key < WORD_MAX &&
           (is_name_byte(find->data[at]) || (find->data[at] && strchr("-%[]", find->data[at]))))
        at++;
    find->visited += at - key;
    if (at == key || at >= find->size) return false;
    return find->data[at] == '=' || (find->data[at] == ':' && at + 1 < find->size && ns_is_blank(find->data[at + 1]));
}

static size_t quoted_end(ns_find *find, size_t begin, const ns_quote *quote) {
    size_t at = begin, backslashes = 0;
    for (; at < find->size; at++) {
        uint8_t byte = find->data[at];
        if (byte == '\\') {
            backslashes++;
            continue;
        }
        if (quote->is_encoded && byte == '%') {
            size_t size;
            if (ns_find_percent(find, at, &size) == quote->mark) break;
        } else if (byte == quote->mark) {
            bool ends = quote->backslashes == 0 ? backslashes % 2 == 0 : backslashes <= quote->backslashes;
            if (ends && (quote->backslashes == 0 || backslashes)) {
                at -= quote->backslashes ? backslashes : 0;
                break;
            }
            if (quote->backslashes && backslashes == 0) break; /* the text around it ends */
        }
        backslashes = 0;
    }
    find->visited += at - begin;
    return at;
}

/* The end of a list or table, behind its closing bracket. */
static size_t nested_end(ns_find *find, size_t begin) {
    size_t at = begin, depth = 0;
    uint8_t quote = 0;
    for (; at < find->size; at++) {
        uint8_t byte = find->data[at];
        if (quote) {
            if (byte == '\\') at++;
            else if (byte == quote) quote = 0;
        } else if (byte == '"' || byte == '\'') {
            quote = byte;
        } else if (byte == '{' || byte == '[') {
            depth++;
        } else if ((byte == '}' || byte == ']') && --depth == 0) {
            at++;
            break;
        }
    }
    if (at > find->size) at = find->size;
    find->visited += at - begin;
    return at;
}

static bool ends_escaped(const ns_find *find, size_t at) {
    if (at + 1 >= find->size) return false;
    uint8_t next = find->data[at + 1];
    return next == 'n' || next == 'r' || next == 't' || next == '"' || next == '\'';
}

static bool is_closing(uint8_t byte) { return byte == ')' || byte == ']' || byte == '}'; }

static size_t plain_end(ns_find *find, size_t begin, const ns_pair_form *form, bool *has_digit) {
    const uint8_t *data = find->data;
    bool is_whole_url = find->as & NS_AS_URL;
    size_t at = begin;
    int open_brackets = 0;
    for (; at < find->size; at++) {
        uint8_t byte = data[at], next = at + 1 < find->size ? data[at + 1] : ' ';
        *has_digit |= ns_is_digit(byte);
        if (ns_is_alnum(byte)) continue;
        open_brackets += (byte == '(' || byte == '[' || byte == '{') - is_closing(byte);
        if (!is_whole_url && (ns_is_space(byte) || ns_is_quote(byte) || byte == '<' || byte == '>')) break;
        if (byte == '\\' && ends_escaped(find, at)) break;
        if (byte == '&' && (form->is_in_url || form->is_encoded || pair_follows(find, at + 1))) break;
        if (byte == '#' && form->is_in_url) break;
        if (byte == ';' && (pair_follows(find, at + 1) || (!is_whole_url && ns_is_space(next)))) break;
        if (byte == ',' && !form->is_in_url && (ns_is_space(next) || ns_is_quote(next) || pair_follows(find, at + 1))) break;
        if (byte == '%' && form->is_encoded) {
            size_t size;
            int decoded = ns_find_percent(find, at, &size);
            if (decoded == '&' || decoded == '#' || decoded == ';' || decoded == '"' || (decoded >= 0 && decoded <= ' '))
                break;
        }
    }
    find->visited += at - begin;
    /* Brackets that were opened before the value: f(token=x) */
    for (; !is_whole_url && open_brackets < 0 && at > begin && is_closing(data[at - 1]); open_brackets++) at--;
    return at;
}

/* The rest of a line; of a text in quotes that begins with the key, what is left of it. */
static size_t line_end(ns_find *find, size_t begin, uint8_t quote_before) {
    size_t at = begin;
    for (; at < find->size; at++) {
        uint8_t byte = find->data[at];
        if (byte == '\r' || byte == '\n' || (quote_before && byte == quote_before)) break;
        if (byte == '\\' && at + 1 < find->size && (find->data[at + 1] == 'r' || find->data[at + 1] == 'n')) break;
    }
    find->visited += at - begin;
    while (at > begin && ns_is_blank(find->data[at - 1])) at--;
    return at;
}

/* Where the second word begins, if the first one names a scheme of authentication that one word follows; else `begin`. */
static size_t behind_scheme(const ns_find *find, size_t begin) {
    static const char *const schemes[] = {"bearer", "basic", "token", "apikey", "negotiate", "ntlm", "key", "jwt", NULL};
    for (const char *const *scheme = schemes; *scheme; scheme++) {
        size_t at = begin + strlen(*scheme);
        if (!ns_find_has(find, begin, *scheme) || at >= find->size || !ns_is_blank(find->data[at])) continue;
        while (at < find->size && ns_is_blank(find->data[at])) at++;
        return at < find->size ? at : begin;
    }
    return begin;
}

/* host:8080, where the host has the name of a key */
static bool may_be_port(const ns_find *find, size_t at, const ns_pair_form *form) {
    if (!form->is_colon || form->key_is_quoted || form->has_blank || form->is_encoded) return false;
    if (!form->is_after_slashes && !(form->key_flags & NS_KEY_WEAK)) return false;
    size_t end = at;
    while (end < find->size && end - at <= PORT_DIGITS && ns_is_digit(find->data[end])) end++;
    if (end == at || end - at > PORT_DIGITS) return false;
    return end == find->size || !(ns_is_alnum(find->data[end]) || (find->data[end] && strchr("-_.~+=@%", find->data[end])));
}

bool ns_value_end(ns_find *find, size_t *begin, size_t *end, const ns_pair_form *form) {
    size_t at = *begin;
    if (at >= find->size) return false;
    if (form->is_element) {
        const uint8_t *next = memchr(find->data + at, '<', find->size - at);
        *end = next ? (size_t)(next - find->data) : find->size;
        find->visited += *end - at;
        return next && next + 1 < find->data + find->size && next[1] == '/' && !is_placeholder(find, at, *end);
    }
    if (form->is_quoted) {
        *end = quoted_end(find, at, &form->quote);
        return !is_placeholder(find, at, *end);
    }
    bool is_weak = form->key_flags & NS_KEY_WEAK && form->is_colon && !form->key_is_quoted && !form->is_in_url;
    if (!form->is_in_url && (find->data[at] == '{' || find->data[at] == '[')) {
        if (is_weak) return false;
        *end = nested_end(find, at);
        return !is_placeholder(find, at, *end);
    }
    if (!form->is_in_url && is_code(find, at)) return false;
    if (may_be_port(find, at, form)) return false;
    /* Of a longer value with the same end it is known that it has no digit, or is too short. */
    if (is_weak && at < find->weak_until) return false;
    bool has_digit = false;
    size_t secret = form->is_in_url ? at : behind_scheme(find, at);
    bool is_line = form->key_flags & NS_KEY_LINE && (form->is_colon || form->has_blank);
    if (secret == at && is_line && !form->is_in_url && !form->key_is_quoted) {
        *end = line_end(find, at, form->quote_before);
        return !is_placeholder(find, at, *end);
    }
    *end = plain_end(find, secret, form, &has_digit);
    *begin = secret;
    if (is_placeholder(find, secret, *end)) return false;
    if (!is_weak || (has_digit && *end - secret >= CHANCE_MIN)) return true;
    find->weak_until = *end;
    return false;
}
