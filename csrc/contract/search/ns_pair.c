#include "contract/search/ns_pair.h"
#include "contract/search/ns_value.h"
#include "contract/ns_fold.h"

enum { MAX_BLANKS = 8, MAX_SPACES = 32, MAX_BACKSLASHES = 15, MAX_INDEX = 4 };

static size_t skip_blanks(const ns_find *find, size_t at) {
    for (size_t left = MAX_BLANKS; left > 0 && at < find->size && ns_is_blank(find->data[at]); left--) at++;
    return at;
}

/* Skips what makes a key one of a list or a table: "]" of user[password], "[]", "[0]", also percent-encoded. */
static size_t skip_brackets(const ns_find *find, size_t at) {
    for (size_t left = MAX_INDEX; left > 0; left--) {
        size_t size = 1;
        int byte = at < find->size ? find->data[at] : 0;
        if (byte == '%') byte = ns_find_percent(find, at, &size);
        if (byte != '[' && byte != ']') break;
        at += size;
        while (byte == '[' && at < find->size && ns_is_digit(find->data[at]) && left > 1) at++, left--;
    }
    return at;
}

/* Reads a quote with the backslashes before it, or a percent-encoded one. False if there is none. */
static bool read_quote(const ns_find *find, size_t *at, ns_quote *quote) {
    size_t here = *at, size = 0;
    int byte = ns_find_percent(find, here, &size);
    *quote = (ns_quote){0, 0, byte == '"' || byte == '\''};
    if (quote->is_encoded) {
        quote->mark = (uint8_t)byte;
        *at = here + size;
        return true;
    }
    while (here < find->size && find->data[here] == '\\' && quote->backslashes < MAX_BACKSLASHES)
        here++, quote->backslashes++;
    if (here >= find->size || !ns_is_quote(find->data[here])) return false;
    quote->mark = find->data[here];
    *at = here + 1;
    return true;
}

/* Reads = : => := and their encoded forms. */
static bool read_sign(const ns_find *find, size_t *at, ns_pair_form *form) {
    if (*at >= find->size) return false;
    const uint8_t *data = find->data;
    size_t here = *at, size = 0;
    int byte = data[here];
    if (byte == '%') {
        byte = ns_find_percent(find, here, &size);
        form->is_encoded = true;
    } else {
        size = 1;
    }
    here += size;
    if (byte == '=') {
        if (here < find->size && (data[here] == '>' || data[here] == '=')) here++;
    } else if (byte == ':') {
        form->is_colon = true;
        if (here < find->size && data[here] == '=') here++;
        else if (here < find->size && data[here] == ':') return false; /* a scope of a program */
        else if (here + 1 < find->size && data[here] == '/' && data[here + 1] == '/') return false; /* a scheme */
    } else if (byte == '>' && !form->key_is_quoted && !form->is_encoded) {
        form->is_element = true;
    } else if (byte == ',' && form->key_is_quoted && !form->is_encoded) {
        form->is_comma = true;
    } else {
        return false;
    }
    *at = here;
    return true;
}

/* Skips what may stand between sign and value: blanks, behind a quoted key also ends of lines, behind an encoded sign also
 * encoded blanks. */
static size_t skip_to_value(const ns_find *find, size_t at, const ns_pair_form *form) {
    for (size_t left = MAX_SPACES; left > 0 && at < find->size; left--) {
        size_t size = 1;
        int byte = find->data[at];
        if (form->is_encoded && byte == '%') byte = ns_find_percent(find, at, &size);
        if (form->is_encoded && byte == '+') byte = ' ';
        if (byte != ' ' && byte != '\t' && !(form->key_is_quoted && (byte == '\n' || byte == '\r'))) break;
        at += size;
    }
    return at;
}

/* Reads the sign behind the key and the quote before the value. `*at` is set to where the value begins. */
static bool read_form(const ns_find *find, size_t *at, ns_pair_form *form) {
    *form = (ns_pair_form){0};
    size_t here = skip_brackets(find, *at);
    ns_quote quote;
    form->key_is_quoted = read_quote(find, &here, &quote);
    size_t behind_key = here;
    here = skip_blanks(find, here);
    if (!read_sign(find, &here, form)) return false;
    size_t behind_sign = here;
    here = skip_to_value(find, here, form);
    form->has_blank = here > behind_sign || behind_sign > behind_key + 1 + (form->is_encoded ? 2 : 0);
    if (here + 1 < find->size && (find->data[here] | 0x20) == 'b' && ns_is_quote(find->data[here + 1])) here++;
    form->is_quoted = read_quote(find, &here, &form->quote);
    if (form->is_comma) {
        if (!form->is_quoted) return false;
        /* {"name": "authorization", "value": "..."} */
        if (ns_find_has(find, here, "value")) {
            size_t behind = here + 5;
            if (read_quote(find, &behind, &quote)) {
                behind = skip_blanks(find, behind);
                if (behind < find->size && find->data[behind] == ':') {
                    here = skip_blanks(find, behind + 1);
                    form->is_comma = false;
                    form->is_colon = true;
                    form->is_quoted = read_quote(find, &here, &form->quote);
                }
            }
        }
    }
    *at = here;
    return true;
}

/* The byte before the whole key, of which `begin` may be a part only; 0 at the start of the text. */
static void look_before(const ns_find *find, size_t begin, ns_pair_form *form) {
    size_t at = begin, lowest = begin > 2 * NS_KEY_MAX ? begin - 2 * NS_KEY_MAX : 0;
    while (at > lowest && (ns_fold_byte[find->data[at - 1]] || find->data[at - 1] == '[')) at--;
    form->is_element = form->is_element && at > 0 && find->data[at - 1] == '<';
    if (at == 0) return;
    uint8_t before = find->data[at - 1];
    if (ns_is_quote(before)) form->quote_before = before;
    form->is_after_slashes = before == '@' || (before == '/' && at > 1 && find->data[at - 2] == '/');
    form->is_in_url = before == '?' || before == '&' || before == '#';
    /* %26token: the walk above went over 26 */
    for (size_t back = 0; back < 3 && at + back < begin && !form->is_in_url; back++) {
        size_t size = 0;
        int byte = find->data[at - 1] == '%' ? ns_find_percent(find, at - 1, &size) : -1;
        form->is_in_url = byte == '?' || byte == '&' || byte == '#';
    }
}

static void pair(ns_find *find, size_t key_end, bool is_option) {
    bool is_inside = key_end < find->pair_until;
    if ((is_inside && !find->pair_is_plain) || !ns_find_wants(find, NS_RULE_PAIR)) return;
    size_t begin = 0;
    uint32_t flags = ns_keys_find(find->keys, find->data, key_end, &begin, &find->visited);
    if (flags == 0) return;
    ns_pair_form form = {0};
    size_t value = key_end;
    if (is_option) {
        value = skip_blanks(find, value);
        if (value == key_end || value >= find->size || find->data[value] == '-') return;
        form.is_quoted = read_quote(find, &value, &form.quote);
        flags &= ~(uint32_t)NS_KEY_WEAK;
    } else if (!read_form(find, &value, &form)) {
        return;
    }
    /* A value without quotes may have taken a key with it, but not what stands behind a blank: a&token: b */
    if (is_inside && value < find->pair_until) return;
    bool was_element = form.is_element;
    look_before(find, begin, &form);
    if (was_element && !form.is_element) return;
    form.is_in_url = (form.is_in_url && !form.key_is_quoted) || find->as & NS_AS_URL;
    form.key_flags = flags;
    size_t end = value;
    find->visited += value - key_end;
    if (!ns_value_end(find, &value, &end, &form)) return;
    ns_find_add(find, value, end, NS_RULE_PAIR);
    find->pair_until = end;
    find->pair_is_plain = !form.is_quoted && !is_inside;
}

void ns_find_pair(ns_find *find, size_t key_end) { pair(find, key_end, false); }

void ns_find_pair_before(ns_find *find, size_t sign) {
    size_t end = sign;
    for (size_t left = MAX_BLANKS; left > 0 && end > 0 && ns_is_blank(find->data[end - 1]); left--) end--;
    pair(find, end, false);
}

void ns_find_option(ns_find *find, size_t dashes) {
    if (dashes > 0 && !ns_is_space(find->data[dashes - 1]) && !ns_is_quote(find->data[dashes - 1])) return;
    size_t end = dashes + 2, limit = end + NS_KEY_MAX;
    while (end < find->size && end < limit && ns_fold_byte[find->data[end]]) end++;
    find->visited += end - dashes;
    if (end > dashes + 2) pair(find, end, true);
}
