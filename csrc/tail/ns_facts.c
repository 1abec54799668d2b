#include "tail/ns_facts.h"

#include <stdlib.h>
#include <string.h>

/* --- conditions ------------------------------------------------------------------------------------------------ */

static int compare_words(const void *left, const void *right) {
    const ns_word *a = left, *b = right;
    if (a->size != b->size) return a->size < b->size ? -1 : 1;
    return a->size ? memcmp(a->chars, b->chars, a->size) : 0;
}

static ns_word copy_word(ns_word word, char **room) {
    ns_word copy = {*room, word.size};
    if (word.size) memcpy(*room, word.chars, word.size);
    *room += word.size;
    return copy;
}

/* Orders the attribute conditions by key size modulo 64 and stores where each size begins. */
static void index_by_key_size(ns_conditions *conditions) {
    size_t placed = 0;
    for (unsigned size = 0; size < 64; size++) {
        conditions->first[size] = (uint8_t)placed;
        for (size_t i = 0; i < conditions->count; i++) {
            const ns_condition *condition = &conditions->conditions[i];
            if (condition->kind == NS_STATE_IS || condition->key.size % 64 != size) continue;
            conditions->order[placed++] = (uint8_t)i;
            conditions->key_sizes |= UINT64_C(1) << size;
        }
    }
    conditions->first[64] = (uint8_t)placed;
}

ns_conditions *ns_conditions_new(const ns_condition *conditions, size_t count, ns_like like, void *context) {
    if (count > NS_CONDITIONS_MAX) return NULL;
    size_t words = 0, chars = 0;
    for (size_t i = 0; i < count; i++) {
        chars += conditions[i].key.size;
        words += conditions[i].value_count;
        for (size_t v = 0; v < conditions[i].value_count; v++) chars += conditions[i].values[v].size;
    }
    ns_conditions *made = calloc(1, sizeof *made + count * sizeof(ns_condition) + words * sizeof(ns_word) + chars);
    if (!made) return NULL;
    made->count = count;
    made->context = context;
    ns_word *word = (ns_word *)(made->conditions + count);
    char *room = (char *)(word + words);
    for (size_t i = 0; i < count; i++) {
        ns_condition *copy = &made->conditions[i];
        *copy = conditions[i];
        copy->key = copy_word(conditions[i].key, &room);
        copy->values = word;
        for (size_t v = 0; v < copy->value_count; v++) word[v] = copy_word(conditions[i].values[v], &room);
        if (copy->value_count) qsort(word, copy->value_count, sizeof *word, compare_words);
        word += copy->value_count;
        if (copy->kind == NS_STATE_IS) made->states |= UINT64_C(1) << i;
        if (copy->kind == NS_TEXT_LIKE) made->like = like;
    }
    index_by_key_size(made);
    return made;
}

void ns_conditions_free(ns_conditions *conditions) { free(conditions); }

static inline bool same_bytes(const void *left, const void *right, size_t size) {
    const char *a = left, *b = right;
    if (size >= 8) {
        /* Words from the front, then one word that ends at the last byte. */
        for (size_t i = 0; i + 8 < size; i += 8)
            if (ns_load_u64(a + i) != ns_load_u64(b + i)) return false;
        return ns_load_u64(a + size - 8) == ns_load_u64(b + size - 8);
    }
    for (size_t i = 0; i < size; i++)
        if (a[i] != b[i]) return false;
    return true;
}

static bool has_value(const ns_condition *condition, const char *chars, size_t size) {
    ns_word sought = {chars, size};
    size_t low = 0, high = condition->value_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare_words(&sought, &condition->values[middle]);
        if (order == 0) return true;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return false;
}

/* --- the wire format ------------------------------------------------------------------------------------------- */

/* Each reader returns the position after its field, or NULL if the field reaches beyond the end. A NULL `at` is passed
 * on. */

static const uint8_t *read_varint(const uint8_t *at, const uint8_t *end, uint64_t *value) {
    uint64_t sum = 0;
    for (unsigned shift = 0; at && at < end && shift < 7 * NS_VARINT_MAX; shift += 7) {
        uint8_t byte = *at++;
        sum |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *value = sum;
            return at;
        }
    }
    return NULL;
}

/* Reads the length of a field; `at` is the position after its tag. At least `size` bytes follow the returned position. */
static inline const uint8_t *read_length(const uint8_t *at, const uint8_t *end, size_t *size) {
    uint64_t length;
    if (NS_LIKELY(at < end && *at < 0x80)) length = *at++;
    else if (!(at = read_varint(at, end, &length))) return NULL;
    if (length > (size_t)(end - at)) return NULL;
    *size = (size_t)length;
    return at;
}

/* Whether the next field has this tag. */
static inline bool is_next(const uint8_t *at, const uint8_t *end, uint8_t tag) { return at && at < end && *at == tag; }

static inline const uint8_t *skip_bytes(const uint8_t *at, const uint8_t *end, uint8_t tag) {
    size_t size;
    while (is_next(at, end, tag)) {
        at = read_length(at + 1, end, &size);
        if (at) at += size;
    }
    return at;
}

static inline const uint8_t *skip_varint(const uint8_t *at, const uint8_t *end, uint8_t tag) {
    uint64_t value;
    return is_next(at, end, tag) ? read_varint(at + 1, end, &value) : at;
}

static inline const uint8_t *read_fixed64(const uint8_t *at, const uint8_t *end, uint8_t tag, uint64_t *value) {
    if (!is_next(at, end, tag)) return at;
    if (end - at < 9) return NULL;
    *value = ns_load_u64(at + 1);
    return at + 9;
}

/* --- attributes ------------------------------------------------------------------------------------------------ */

/* Whether the AnyValue from `at` to `end` satisfies a condition. */
static bool value_holds(const uint8_t *at, const uint8_t *end, const ns_conditions *conditions, size_t index) {
    const ns_condition *condition = &conditions->conditions[index];
    size_t size;
    uint64_t number;
    switch (condition->kind) {
    case NS_TEXT_IS:
    case NS_TEXT_LIKE:
        if (!is_next(at, end, NS_TAG(1, NS_WIRE_BYTES))) return false;
        at = read_length(at + 1, end, &size);
        if (!at || size == 0) return false;
        if (condition->kind == NS_TEXT_IS) return has_value(condition, (const char *)at, size);
        return conditions->like && conditions->like(conditions->context, index, (const char *)at, size);
    case NS_BOOL_IS:
        return is_next(at, end, NS_TAG(2, NS_WIRE_VARINT)) && end - at == 2 && at[1] == condition->flag;
    case NS_NUMBER_IN:
        if (!is_next(at, end, NS_TAG(3, NS_WIRE_VARINT)) || !read_varint(at + 1, end, &number)) return false;
        return (int64_t)number >= condition->min_value && (int64_t)number <= condition->max_value;
    default:
        return false;
    }
}

/* Conditions satisfied by the KeyValue from `at` to `end`. Condition keys are not empty, so an omitted key matches none. */
static inline uint64_t pair_matches(const uint8_t *at, const uint8_t *end, const ns_conditions *conditions) {
    uint64_t matches = 0;
    size_t size, value_size;
    if (!is_next(at, end, NS_TAG(1, NS_WIRE_BYTES))) return 0;
    const uint8_t *key = read_length(at + 1, end, &size);
    if (!key || !(conditions->key_sizes >> size % 64 & 1)) return 0;
    for (size_t i = conditions->first[size % 64]; i < conditions->first[size % 64 + 1]; i++) {
        size_t index = conditions->order[i];
        const ns_word *sought = &conditions->conditions[index].key;
        if (sought->size != size || !same_bytes(sought->chars, key, size)) continue;
        if (!is_next(key + size, end, NS_TAG_KEY_VALUE_VALUE)) return matches;
        const uint8_t *value = read_length(key + size + 1, end, &value_size);
        if (!value) return matches;
        matches |= (uint64_t)value_holds(value, value + value_size, conditions, index) << index;
    }
    return matches;
}

/* Reads all attributes at `at`. Returns NULL if one reaches beyond the end. */
static inline const uint8_t *read_pairs(const uint8_t *at, const uint8_t *end, uint8_t tag, const ns_conditions *conditions,
                                        uint64_t *matches) {
    size_t size;
    while (is_next(at, end, tag)) {
        at = read_length(at + 1, end, &size);
        if (!at) return NULL;
        *matches |= pair_matches(at, at + size, conditions);
        at += size;
    }
    return at;
}

/* --- trace state ----------------------------------------------------------------------------------------------- */

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* Conditions satisfied by a trace state: `key=value` members, separated by commas, with optional blanks around them. */
static uint64_t state_matches(const char *state, size_t size, const ns_conditions *conditions) {
    uint64_t matches = 0;
    const char *end = state + size;
    while (state < end) {
        const char *comma = memchr(state, ',', (size_t)(end - state));
        const char *from = state, *to = comma ? comma : end;
        state = comma ? comma + 1 : end;
        while (from < to && is_blank(*from)) from++;
        while (from < to && is_blank(to[-1])) to--;
        const char *equals = from < to ? memchr(from, '=', (size_t)(to - from)) : NULL;
        if (!equals) continue;
        size_t key_size = (size_t)(equals - from);
        for (uint64_t left = conditions->states; left; left &= left - 1) {
            unsigned index = (unsigned)__builtin_ctzll(left);
            const ns_condition *condition = &conditions->conditions[index];
            if (condition->key.size == key_size && same_bytes(condition->key.chars, from, key_size) &&
                has_value(condition, equals + 1, (size_t)(to - equals - 1)))
                matches |= UINT64_C(1) << index;
        }
    }
    return matches;
}

/* --- spans and resources --------------------------------------------------------------------------------------- */

enum { TRACE_ID_AT = 2, SPAN_ID_AT = 18, IDS_SIZE = 28 };

static uint8_t read_status(const uint8_t *at, const uint8_t *end) {
    uint64_t code = 0;
    at = skip_bytes(at, end, NS_TAG(2, NS_WIRE_BYTES));
    if (is_next(at, end, NS_TAG(3, NS_WIRE_VARINT))) at = read_varint(at + 1, end, &code);
    return at && code <= 2 ? (uint8_t)code : 0;
}

bool ns_facts_of_span(const uint8_t *span, size_t size, const ns_conditions *conditions, ns_facts *facts) {
    if (size < IDS_SIZE || span[0] != NS_TAG(1, NS_WIRE_BYTES) || span[1] != 16 ||
        span[SPAN_ID_AT] != NS_TAG(2, NS_WIRE_BYTES) || span[SPAN_ID_AT + 1] != 8)
        return false;
    *facts = (ns_facts){
        .trace_high = __builtin_bswap64(ns_load_u64(span + TRACE_ID_AT)),
        .trace_low = __builtin_bswap64(ns_load_u64(span + TRACE_ID_AT + 8)),
    };
    const uint8_t *at = span + IDS_SIZE, *end = span + size;
    size_t length;
    if (is_next(at, end, NS_TAG(3, NS_WIRE_BYTES))) {
        at = read_length(at + 1, end, &length);
        if (!at) return false;
        facts->trace_state = (const char *)at;
        facts->trace_state_size = length;
        at += length;
        if (conditions->states) facts->matches = state_matches(facts->trace_state, length, conditions);
    }
    if (is_next(at, end, NS_TAG(4, NS_WIRE_BYTES))) {
        facts->has_parent = true;
        at = skip_bytes(at, end, NS_TAG(4, NS_WIRE_BYTES));
    }
    at = skip_bytes(at, end, NS_TAG(5, NS_WIRE_BYTES));
    at = skip_varint(at, end, NS_TAG(6, NS_WIRE_VARINT));
    at = read_fixed64(at, end, NS_TAG(7, NS_WIRE_FIXED64), &facts->start);
    at = read_fixed64(at, end, NS_TAG(8, NS_WIRE_FIXED64), &facts->end);
    at = read_pairs(at, end, NS_TAG_SPAN_ATTRIBUTE, conditions, &facts->matches);
    at = skip_varint(at, end, NS_TAG(10, NS_WIRE_VARINT));
    at = skip_bytes(at, end, NS_TAG(11, NS_WIRE_BYTES));
    at = skip_varint(at, end, NS_TAG(12, NS_WIRE_VARINT));
    at = skip_bytes(at, end, NS_TAG(13, NS_WIRE_BYTES));
    at = skip_varint(at, end, NS_TAG(14, NS_WIRE_VARINT));
    if (is_next(at, end, NS_TAG(15, NS_WIRE_BYTES))) {
        at = read_length(at + 1, end, &length);
        if (!at) return false;
        facts->status = read_status(at, at + length);
        at += length;
    }
    /* The tag of field 16, fixed32, has two bytes. */
    if (at && end - at == 6 && at[0] == 0x85 && at[1] == 0x01) {
        __builtin_memcpy(&facts->flags, at + 2, sizeof facts->flags);
        at += 6;
    }
    return at == end;
}

uint64_t ns_facts_of_resource(const uint8_t *field, size_t size, const ns_conditions *conditions) {
    uint64_t matches = 0;
    size_t length;
    const uint8_t *end = field + size;
    if (!is_next(field, end, NS_TAG(1, NS_WIRE_BYTES))) return 0;
    const uint8_t *at = read_length(field + 1, end, &length);
    if (!at || at + length != end) return 0;
    if (!read_pairs(at, end, NS_TAG_RESOURCE_ATTRIBUTE, conditions, &matches)) return 0;
    return matches;
}
