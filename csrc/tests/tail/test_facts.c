/* Facts read from encoded spans: from bytes assembled here, and from the encoder's output. */
#include "tail/ns_facts.h"

#include <string.h>

#include "ns_test.h"
#include "tail/span_bytes.h"

#define WORD(text) {text, sizeof(text) - 1}

static ns_text text(const char *from) { return (ns_text){.data = from, .length = strlen(from), .width = NS_TEXT_UTF8}; }

static const ns_condition no_condition[1];

static ns_conditions *make(const ns_condition *conditions, size_t count) {
    ns_conditions *made = ns_conditions_new(conditions, count, NULL, NULL);
    CHECK(made != NULL);
    return made;
}

/* --- assembled spans --------------------------------------------------------------------------------------------- */

/* Reads from an allocation of exactly this size, so that a sanitizer detects a read past its end. */
static bool read(const bytes *span, const ns_conditions *conditions, ns_facts *facts) {
    uint8_t *exact = malloc(span->size ? span->size : 1);
    memcpy(exact, span->data, span->size);
    bool fine = ns_facts_of_span(exact, span->size, conditions, facts);
    free(exact);
    return fine;
}

static void test_smallest(void) {
    ns_conditions *none = make(no_condition, 0);
    bytes span = {.size = 0};
    ns_facts facts;
    put_ids(&span);
    CHECK(read(&span, none, &facts));
    CHECK(facts.trace_high == 0x0102030405060708u && facts.trace_low == 0x1112131415161718u);
    CHECK(facts.start == 0 && facts.end == 0 && facts.flags == 0 && facts.status == 0 && facts.matches == 0);
    CHECK(!facts.has_parent && facts.trace_state == NULL && facts.trace_state_size == 0);
    CHECK(ns_facts_is_local_root(&facts));
    ns_conditions_free(none);
}

static void test_all_fields(void) {
    const ns_word value = WORD("v");
    const ns_condition sought = {.kind = NS_TEXT_IS, .key = WORD("k"), .values = &value, .value_count = 1};
    ns_conditions *conditions = make(&sought, 1);
    bytes span = {.size = 0};
    ns_facts facts;
    put_all_fields(&span);
    CHECK(ns_facts_of_span(span.data, span.size, conditions, &facts));
    CHECK(facts.start == 0x8000000000000001u && facts.end == 0x8000000000000002u);
    CHECK(facts.has_parent && facts.flags == 0x301 && facts.status == 2 && facts.matches == 1);
    CHECK(facts.trace_state == (const char *)span.data + 30 && facts.trace_state_size == 3);
    CHECK(ns_facts_is_local_root(&facts)); /* its parent is remote */
    span.data[span.size - 3] = 0x01;
    CHECK(ns_facts_of_span(span.data, span.size, conditions, &facts) && facts.flags == 0x101);
    CHECK(!ns_facts_is_local_root(&facts));
    ns_conditions_free(conditions);
}

/* A truncated span is rejected unless it ends between two fields; trailing bytes are rejected too. */
static void test_cut_short(void) {
    ns_conditions *none = make(no_condition, 0);
    bytes span = {.size = 0};
    ns_facts facts;
    put_all_fields(&span);
    size_t whole = span.size;
    unsigned fine = 0;
    for (span.size = 0; span.size <= whole; span.size++) fine += read(&span, none, &facts);
    CHECK(fine == 16); /* after the ids and after each of the fifteen fields that follow */
    put_byte(&span, 0x4A);
    CHECK(!read(&span, none, &facts));
    span.size = whole;
    put(&span, "\x0A\x00", 2);
    CHECK(!read(&span, none, &facts));
    ns_conditions_free(none);
}

static void test_not_a_span(void) {
    ns_conditions *none = make(no_condition, 0);
    ns_facts facts;
    bytes span = {.size = 0};
    CHECK(!read(&span, none, &facts));
    put_field(&span, 0x0A, "0123456789abcde", 15);
    put_field(&span, 0x12, "012345678", 9);
    CHECK(!read(&span, none, &facts));
    bytes swapped = {.size = 0};
    put_field(&swapped, 0x12, "\xA1\xA2\xA3\xA4\xA5\xA6\xA7\xA8", 8);
    put_field(&swapped, 0x0A, "0123456789abcdef", 16);
    CHECK(!read(&swapped, none, &facts));
    /* A length of more than 64 bits, and one that wraps around. */
    bytes wild = {.size = 0};
    put_ids(&wild);
    put(&wild, "\x4A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 12);
    CHECK(!read(&wild, none, &facts));
    wild.size = 28;
    put(&wild, "\x4A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11);
    CHECK(!read(&wild, none, &facts));
    ns_conditions_free(none);
}

/* --- conditions -------------------------------------------------------------------------------------------------- */

static uint64_t matches_of(const ns_conditions *conditions, const bytes *span) {
    ns_facts facts;
    CHECK(read(span, conditions, &facts));
    return facts.matches;
}

static uint64_t matches_of_value(const ns_conditions *conditions, const char *key, const void *value, size_t size) {
    bytes span = {.size = 0};
    put_ids(&span);
    put_attribute(&span, 0x4A, key, value, size);
    return matches_of(conditions, &span);
}

static void test_kinds_of_values(void) {
    const ns_word words[] = {WORD("GET"), WORD("a"), WORD("POST"), WORD("DELETE")};
    const ns_condition sought[] = {
        {.kind = NS_TEXT_IS, .key = WORD("k"), .values = words, .value_count = 4},
        {.kind = NS_NUMBER_IN, .key = WORD("k"), .min_value = -5, .max_value = 300},
        {.kind = NS_BOOL_IS, .key = WORD("k"), .flag = true},
        {.kind = NS_BOOL_IS, .key = WORD("k"), .flag = false},
        {.kind = NS_NUMBER_IN, .key = WORD("k"), .min_value = INT64_MIN, .max_value = INT64_MAX},
        {.kind = NS_TEXT_IS, .key = WORD("k")},
    };
    ns_conditions *conditions = make(sought, 6);
    CHECK(matches_of_value(conditions, "k", "\x0A\x03GET", 5) == 1);
    CHECK(matches_of_value(conditions, "k", "\x0A\x04POST", 6) == 1);
    CHECK(matches_of_value(conditions, "k", "\x0A\006DELETE", 8) == 1);
    CHECK(matches_of_value(conditions, "k", "\x0A\001a", 3) == 1);
    CHECK(matches_of_value(conditions, "k", "\x0A\x03PUT", 5) == 0);
    CHECK(matches_of_value(conditions, "k", "\x0A\x00", 2) == 0);
    CHECK(matches_of_value(conditions, "k", "\x0A\x04GET", 5) == 0); /* beyond its end */
    CHECK(matches_of_value(conditions, "k", "", 0) == 0);
    CHECK(matches_of_value(conditions, "k", "\x18\x00", 2) == 0x12);
    CHECK(matches_of_value(conditions, "k", "\x18\xAC\x02", 3) == 0x12); /* 300 */
    CHECK(matches_of_value(conditions, "k", "\x18\xAD\x02", 3) == 0x10);
    CHECK(matches_of_value(conditions, "k", "\x18\xFB\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11) == 0x12); /* -5 */
    CHECK(matches_of_value(conditions, "k", "\x18\xFA\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11) == 0x10);
    CHECK(matches_of_value(conditions, "k", "\x10\x01", 2) == 4);
    CHECK(matches_of_value(conditions, "k", "\x10\x00", 2) == 8);
    CHECK(matches_of_value(conditions, "k", "\x10", 1) == 0);
    CHECK(matches_of_value(conditions, "k", "\x21\x00\x00\x00\x00\x00\x00\xF0\x3F", 9) == 0); /* 1.0 */
    CHECK(matches_of_value(conditions, "k", "\x2A\x07\x0A\x05\x0A\x03GET", 9) == 0);          /* ["GET"] */
    CHECK(matches_of_value(conditions, "k", "\x3A\x03GET", 5) == 0);                          /* b"GET" */
    CHECK(matches_of_value(conditions, "", "\x0A\x03GET", 5) == 0);
    CHECK(matches_of_value(conditions, "j", "\x0A\x03GET", 5) == 0);
    ns_conditions_free(conditions);
}

/* Keys of all sizes up to two and a half words, and keys that differ in one byte. */
static void test_keys(void) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ._-/:+=*#%&!";
    const ns_word value = WORD("v");
    for (size_t size = 1; size <= 70; size++) {
        const ns_condition sought = {.kind = NS_TEXT_IS, .key = {letters, size}, .values = &value, .value_count = 1};
        ns_conditions *conditions = make(&sought, 1);
        char key[80];
        memcpy(key, letters, size);
        key[size] = 0;
        CHECK(matches_of_value(conditions, key, "\x0A\x01v", 3) == 1);
        for (size_t at = 0; at < size; at++) {
            key[at] ^= 1;
            CHECK(matches_of_value(conditions, key, "\x0A\x01v", 3) == 0);
            key[at] ^= 1;
        }
        key[size] = 'x';
        key[size + 1] = 0;
        CHECK(matches_of_value(conditions, key, "\x0A\x01v", 3) == 0);
        ns_conditions_free(conditions);
    }
    /* A key with the same size modulo 64. */
    const ns_condition sought = {.kind = NS_TEXT_IS, .key = {letters, 66}, .values = &value, .value_count = 1};
    ns_conditions *conditions = make(&sought, 1);
    CHECK(matches_of_value(conditions, "ab", "\x0A\x01v", 3) == 0);
    ns_conditions_free(conditions);
}

static void test_max_conditions(void) {
    char keys[NS_CONDITIONS_MAX + 1][8];
    ns_condition sought[NS_CONDITIONS_MAX + 1];
    bytes span = {.size = 0};
    put_ids(&span);
    for (int i = 0; i <= NS_CONDITIONS_MAX; i++) {
        int length = snprintf(keys[i], sizeof keys[i], "key%d", i);
        sought[i] = (ns_condition){.kind = NS_NUMBER_IN, .key = {keys[i], (size_t)length}, .min_value = i, .max_value = i};
    }
    for (int i = 0; i < NS_CONDITIONS_MAX; i++) {
        uint8_t value[] = {0x18, (uint8_t)(i % 3 ? i : i + 1)};
        put_attribute(&span, 0x4A, keys[i], value, 2);
    }
    CHECK(ns_conditions_new(sought, NS_CONDITIONS_MAX + 1, NULL, NULL) == NULL);
    ns_conditions *conditions = make(sought, NS_CONDITIONS_MAX);
    uint64_t expected = 0;
    for (int i = 0; i < NS_CONDITIONS_MAX; i++)
        if (i % 3) expected |= UINT64_C(1) << i;
    CHECK(matches_of(conditions, &span) == expected);
    ns_conditions_free(conditions);
}

/* The arguments may change after the call. */
static void test_copies(void) {
    char key[] = "key", value[] = "value";
    const ns_word word = {value, 5};
    const ns_condition sought = {.kind = NS_TEXT_IS, .key = {key, 3}, .values = &word, .value_count = 1};
    ns_conditions *conditions = make(&sought, 1);
    memset(key, 'x', 3);
    memset(value, 'x', 5);
    CHECK(matches_of_value(conditions, "key", "\x0A\x05value", 7) == 1);
    CHECK(matches_of_value(conditions, "xxx", "\x0A\x05xxxxx", 7) == 0);
    ns_conditions_free(conditions);
}

/* An empty value is valid and matches no text: the encoder does not write empty strings. */
static void test_empty_values(void) {
    const ns_word words[] = {WORD(""), WORD("a"), WORD("")};
    const ns_condition sought = {.kind = NS_TEXT_IS, .key = WORD("k"), .values = words, .value_count = 3};
    ns_conditions *conditions = make(&sought, 1);
    CHECK(matches_of_value(conditions, "k", "\x0A\x00", 2) == 0);
    CHECK(matches_of_value(conditions, "k", "\x0A\001a", 3) == 1);
    ns_conditions_free(conditions);
}

typedef struct asked {
    size_t condition;
    char text[32];
    unsigned times;
} asked;

static bool begins_with_a(void *context, size_t condition, const char *chars, size_t size) {
    asked *asked = context;
    asked->condition = condition;
    asked->times++;
    snprintf(asked->text, sizeof asked->text, "%.*s", (int)size, chars);
    return chars[0] == 'a';
}

static void test_patterns(void) {
    const ns_condition sought[] = {
        {.kind = NS_BOOL_IS, .key = WORD("k")},
        {.kind = NS_TEXT_LIKE, .key = WORD("k")},
    };
    asked asked = {.times = 0};
    ns_conditions *conditions = ns_conditions_new(sought, 2, begins_with_a, &asked);
    CHECK(conditions->like != NULL);
    CHECK(matches_of_value(conditions, "k", "\x0A\002ab", 4) == 2);
    CHECK(asked.times == 1 && asked.condition == 1 && strcmp(asked.text, "ab") == 0);
    CHECK(matches_of_value(conditions, "k", "\x0A\002ba", 4) == 0 && asked.times == 2);
    CHECK(matches_of_value(conditions, "k", "\x0A\x00", 2) == 0 && asked.times == 2);
    CHECK(matches_of_value(conditions, "k", "\x10\x00", 2) == 1 && asked.times == 2);
    ns_conditions_free(conditions);
    conditions = ns_conditions_new(sought, 1, begins_with_a, &asked);
    CHECK(conditions->like == NULL); /* no condition would call it */
    ns_conditions_free(conditions);
    conditions = make(sought, 2); /* no callback: the pattern matches nothing */
    CHECK(matches_of_value(conditions, "k", "\x0A\002ab", 4) == 0);
    ns_conditions_free(conditions);
}

static uint64_t matches_of_state(const ns_conditions *conditions, const char *state) {
    bytes span = {.size = 0};
    put_ids(&span);
    if (*state) put_field(&span, 0x1A, state, strlen(state));
    return matches_of(conditions, &span);
}

static void test_trace_state(void) {
    const ns_word words[] = {WORD("one"), WORD("two")};
    const ns_condition sought[] = {
        {.kind = NS_STATE_IS, .key = WORD("vendor"), .values = words, .value_count = 2},
        {.kind = NS_STATE_IS, .key = WORD("v"), .values = words + 1, .value_count = 1},
    };
    ns_conditions *conditions = make(sought, 2);
    CHECK(matches_of_state(conditions, "") == 0);
    CHECK(matches_of_state(conditions, "vendor=one") == 1);
    CHECK(matches_of_state(conditions, "vendor=two") == 1);
    CHECK(matches_of_state(conditions, "vendor=three") == 0);
    CHECK(matches_of_state(conditions, "a=one, vendor=two\t,v=two") == 3);
    CHECK(matches_of_state(conditions, ",,  ,v=two,") == 2);
    CHECK(matches_of_state(conditions, "v=two=") == 0);
    CHECK(matches_of_state(conditions, "vendor") == 0);
    CHECK(matches_of_state(conditions, "vendor=") == 0);
    CHECK(matches_of_state(conditions, "=one,vendo=one,vendorx=one") == 0);
    /* An attribute with that key is not a member of the trace state. */
    CHECK(matches_of_value(conditions, "vendor", "\x0A\x03one", 5) == 0);
    ns_conditions_free(conditions);
}

static void test_resource(void) {
    const ns_word value = WORD("shop");
    const ns_condition sought[] = {
        {.kind = NS_TEXT_IS, .key = WORD("service.name"), .values = &value, .value_count = 1},
        {.kind = NS_NUMBER_IN, .key = WORD("process.pid"), .min_value = 1, .max_value = 9},
    };
    ns_conditions *conditions = make(sought, 2);
    bytes inner = {.size = 0}, field = {.size = 0};
    put_text(&inner, 0x0A, "service.name", "shop");
    put_attribute(&inner, 0x0A, "process.pid", "\x18\x07", 2);
    put_field(&field, 0x0A, inner.data, inner.size);
    CHECK(ns_facts_of_resource(field.data, field.size, conditions) == 3);
    CHECK(ns_facts_of_resource(field.data, field.size - 1, conditions) == 0);
    CHECK(ns_facts_of_resource(field.data, 0, conditions) == 0);
    CHECK(ns_facts_of_resource(inner.data, inner.size, conditions) == 0);
    /* An attribute that reaches beyond the resource invalidates the whole resource. */
    bytes broken = {.size = 0};
    memcpy(inner.data + inner.size, "\x0A\x7F", 2);
    put_field(&broken, 0x0A, inner.data, inner.size + 2);
    CHECK(ns_facts_of_resource(broken.data, broken.size, conditions) == 0);
    bytes empty = {.size = 0};
    put_field(&empty, 0x0A, "", 0);
    CHECK(ns_facts_of_resource(empty.data, empty.size, conditions) == 0);
    ns_conditions_free(conditions);
}

/* --- spans of the encoder ---------------------------------------------------------------------------------------- */

static void test_encoded(void) {
    const ns_word route = WORD("/checkout"), long_value = WORD("long");
    char long_key[300];
    memset(long_key, 'k', sizeof long_key);
    const ns_condition sought[] = {
        {.kind = NS_TEXT_IS, .key = WORD("http.route"), .values = &route, .value_count = 1},
        {.kind = NS_NUMBER_IN, .key = WORD("http.response.status_code"), .min_value = 500, .max_value = 599},
        {.kind = NS_BOOL_IS, .key = WORD("cache.hit"), .flag = false},
        {.kind = NS_TEXT_IS, .key = {long_key, sizeof long_key}, .values = &long_value, .value_count = 1},
        {.kind = NS_NUMBER_IN, .key = WORD("retries"), .min_value = INT64_MIN, .max_value = -1},
        {.kind = NS_NUMBER_IN, .key = WORD("absent"), .min_value = INT64_MIN, .max_value = INT64_MAX},
    };
    ns_conditions *conditions = make(sought, 6);
    ns_buf buf;
    ns_buf_init(&buf, NULL, 0, 1 << 20);
    ns_span_head head = {.has_parent = true, .kind = 2, .start_time = 1000, .end_time = 2500, .name = text("GET")};
    memset(head.trace_id, 0xAB, 16);
    memset(head.span_id, 0xCD, 8);
    memset(head.parent_span_id, 0xEF, 8);
    char state[200];
    memset(state, 's', sizeof state);
    state[1] = '=';
    head.trace_state = (ns_text){.data = state, .length = sizeof state, .width = NS_TEXT_UTF8};
    ns_otlp_span_begin(&buf, &head);
    ns_text key = text("http.route"), value = text("/checkout");
    ns_otlp_key_value_text(&buf, NS_TAG_SPAN_ATTRIBUTE, &key, &value);
    key = text("http.response.status_code");
    ns_scalar scalar = ns_scalar_int(503);
    ns_otlp_key_value_scalar(&buf, NS_TAG_SPAN_ATTRIBUTE, &key, &scalar);
    key = text("cache.hit");
    scalar = ns_scalar_bool(false);
    ns_otlp_key_value_scalar(&buf, NS_TAG_SPAN_ATTRIBUTE, &key, &scalar);
    key = (ns_text){.data = long_key, .length = sizeof long_key, .width = NS_TEXT_UTF8};
    value = text("long");
    ns_otlp_key_value_text(&buf, NS_TAG_SPAN_ATTRIBUTE, &key, &value);
    key = text("retries");
    scalar = ns_scalar_int(-3);
    ns_otlp_key_value_scalar(&buf, NS_TAG_SPAN_ATTRIBUTE, &key, &scalar);
    ns_otlp_span_attributes_end(&buf, 300);
    size_t replaced = 0;
    value = text("event");
    ns_mark event = ns_otlp_event_begin(&buf, 1, &value, &replaced);
    ns_otlp_event_end(&buf, event, 0);
    ns_otlp_span_events_end(&buf, 2);
    value = text("");
    ns_mark link = ns_otlp_link_begin(&buf, head.trace_id, head.span_id, &value, &replaced);
    ns_otlp_link_end(&buf, link, 1, 0x101);
    ns_span_tail tail = {.flags = 0x303, .has_status = true, .status_code = 2, .dropped_links = 9};
    tail.status_message = text("no");
    ns_otlp_span_end(&buf, &tail);
    CHECK(!buf.failed);
    ns_facts facts;
    CHECK(ns_facts_of_span(buf.data, buf.len, conditions, &facts));
    CHECK(facts.matches == 0x1F);
    CHECK(facts.trace_high == 0xABABABABABABABABu && facts.trace_low == 0xABABABABABABABABu);
    CHECK(facts.start == 1000 && facts.end == 2500 && facts.status == 2 && facts.flags == 0x303);
    CHECK(facts.has_parent && facts.trace_state_size == sizeof state && !memcmp(facts.trace_state, state, sizeof state));
    ns_buf_free(&buf);
    ns_conditions_free(conditions);
}

int main(void) {
    test_smallest();
    test_all_fields();
    test_cut_short();
    test_not_a_span();
    test_kinds_of_values();
    test_keys();
    test_max_conditions();
    test_copies();
    test_empty_values();
    test_patterns();
    test_trace_state();
    test_resource();
    test_encoded();
    return ns_test_summary();
}
