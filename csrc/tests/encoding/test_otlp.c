/* The output of the encoder, read back by the decoder. test_limits.c covers the limit of the buffer. */
#include "encoding/ns_otlp.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "encoding/decoder.h"
#include "ns_test.h"

static ns_text ascii(const char *chars) { return (ns_text){.data = chars, .length = strlen(chars), .width = NS_TEXT_UTF8}; }

static bool decodes_to(const ns_buf *buf, otlp_message kind, const otlp_text *expected) {
    otlp_text got = {0};
    otlp_error error;
    bool fine = !buf->failed && otlp_decode(kind, buf->data, buf->len, &got, &error);
    if (!fine) fprintf(stderr, "not decoded: %s at byte %zu\n", error.reason, error.offset);
    if (fine && !otlp_text_equal(&got, expected)) {
        otlp_text_explain(&got, expected);
        fine = false;
    }
    otlp_text_free(&got);
    return fine;
}

static bool decodes_to_chars(const ns_buf *buf, otlp_message kind, const char *chars) {
    otlp_text expected = {.chars = (char *)chars, .len = strlen(chars)};
    return decodes_to(buf, kind, &expected);
}

static const ns_span_head head = {
    .trace_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
    .span_id = {0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8},
    .parent_span_id = {0xB1, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8},
    .has_parent = true,
    .kind = 3,
    .start_time = 1700000000000000001,
    .end_time = 1700000000000000002,
    .trace_state = {.data = "a=1,b=2", .length = 7},
    .name = {.data = "GET /", .length = 5},
};

static void test_whole_span(void) {
    uint8_t storage[32]; /* small, so that the buffer moves several times */
    ns_buf buf;
    ns_buf_init(&buf, storage, sizeof storage, 1 << 20);
    const uint16_t surrogate[] = {'s', 0xD800};
    const ns_text broken = {.data = surrogate, .length = 2, .width = NS_TEXT_UCS2};
    const uint8_t link_trace[16] = {0xFF, 1}, link_span[8] = {0xEE, 2};
    ns_text key = ascii("k"), empty = ascii(""), text = ascii("v");
    size_t replaced = ns_otlp_span_begin(&buf, &head);
    ns_scalar number = ns_scalar_int(-5), nothing = ns_scalar_empty();
    replaced += ns_otlp_key_value_scalar(&buf, NS_TAG_SPAN_ATTRIBUTE, &key, &number);
    replaced += ns_otlp_key_value_text(&buf, NS_TAG_SPAN_ATTRIBUTE, &empty, &empty);
    ns_mark pair = ns_otlp_key_value_open(&buf, NS_TAG_SPAN_ATTRIBUTE, &key, &replaced);
    ns_container list = ns_otlp_kvlist_open(&buf, NS_TAG_KEY_VALUE_VALUE);
    replaced += ns_otlp_key_value_text(&buf, NS_TAG_KVLIST_VALUE, &broken, &broken);
    replaced += ns_otlp_key_value_scalar(&buf, NS_TAG_KVLIST_VALUE, &key, &nothing);
    ns_otlp_container_close(&buf, list);
    ns_otlp_close(&buf, pair);
    ns_otlp_span_attributes_end(&buf, 1);
    ns_mark event = ns_otlp_event_begin(&buf, 7, &text, &replaced);
    replaced += ns_otlp_key_value_text(&buf, NS_TAG_EVENT_ATTRIBUTE, &key, &text);
    ns_otlp_event_end(&buf, event, 2);
    event = ns_otlp_event_begin(&buf, 0, &empty, &replaced);
    ns_otlp_event_end(&buf, event, 0);
    ns_otlp_span_events_end(&buf, 3);
    ns_mark link = ns_otlp_link_begin(&buf, link_trace, link_span, &text, &replaced);
    replaced += ns_otlp_key_value_text(&buf, NS_TAG_LINK_ATTRIBUTE, &key, &text);
    ns_otlp_link_end(&buf, link, 4, NS_FLAGS_HAS_IS_REMOTE | 1);
    ns_span_tail tail = {.dropped_links = 5, .flags = 0x301, .has_status = true, .status_code = 2, .status_message = text};
    replaced += ns_otlp_span_end(&buf, &tail);
    CHECK(replaced == 2);
    CHECK(decodes_to_chars(&buf, OTLP_SPAN,
                           "trace_id 0102030405060708090a0b0c0d0e0f10\n"
                           "span_id a1a2a3a4a5a6a7a8\n"
                           "trace_state \"a=1,b=2\"\n"
                           "parent_span_id b1b2b3b4b5b6b7b8\n"
                           "name \"GET /\"\n"
                           "kind 3\n"
                           "start_time 1700000000000000001\n"
                           "end_time 1700000000000000002\n"
                           "attributes {\n  key \"k\"\n  value {\n    int -5\n  }\n}\n"
                           "attributes {\n  value {\n    string \"\"\n  }\n}\n"
                           "attributes {\n  key \"k\"\n  value {\n    kvlist {\n"
                           "      values {\n        key \"s\\xef\\xbf\\xbd\"\n        value {\n"
                           "          string \"s\\xef\\xbf\\xbd\"\n        }\n      }\n"
                           "      values {\n        key \"k\"\n        value {\n        }\n      }\n"
                           "    }\n  }\n}\n"
                           "dropped_attributes 1\n"
                           "events {\n  time 7\n  name \"v\"\n"
                           "  attributes {\n    key \"k\"\n    value {\n      string \"v\"\n    }\n  }\n"
                           "  dropped_attributes 2\n}\n"
                           "events {\n}\n"
                           "dropped_events 3\n"
                           "links {\n  trace_id ff010000000000000000000000000000\n  span_id ee02000000000000\n"
                           "  trace_state \"v\"\n"
                           "  attributes {\n    key \"k\"\n    value {\n      string \"v\"\n    }\n  }\n"
                           "  dropped_attributes 4\n  flags 257\n}\n"
                           "dropped_links 5\n"
                           "status {\n  message \"v\"\n  code 2\n}\n"
                           "flags 769\n"));
    ns_buf_free(&buf);
}

static void test_min_span(void) {
    uint8_t storage[128];
    ns_buf buf;
    ns_buf_init(&buf, storage, sizeof storage, sizeof storage);
    ns_span_head min = {.trace_id = {1}, .span_id = {2}};
    ns_span_tail nothing = {0};
    CHECK(ns_otlp_span_begin(&buf, &min) == 0);
    ns_otlp_span_attributes_end(&buf, 0);
    ns_otlp_span_events_end(&buf, 0);
    CHECK(ns_otlp_span_end(&buf, &nothing) == 0);
    CHECK(decodes_to_chars(&buf, OTLP_SPAN, "trace_id 01000000000000000000000000000000\nspan_id 0200000000000000\n"));
    CHECK(!buf.on_heap);
    buf.len = 0;
    ns_span_tail unset = {.has_status = true};
    CHECK(ns_otlp_span_end(&buf, &unset) == 0);
    CHECK(decodes_to_chars(&buf, OTLP_SPAN, "status {\n}\n"));
}

static void test_resource_and_scope(void) {
    uint8_t storage[256];
    ns_buf buf;
    size_t replaced = 0;
    ns_text key = ascii("service.name"), value = ascii("shop"), name = ascii("lib"), version = ascii("1.0");
    ns_text url = ascii("https://example.org/s"), empty = ascii("");
    ns_buf_init(&buf, storage, sizeof storage, sizeof storage);
    ns_mark resource = ns_otlp_resource_open(&buf);
    ns_otlp_key_value_text(&buf, NS_TAG_RESOURCE_ATTRIBUTE, &key, &value);
    ns_otlp_close(&buf, resource);
    CHECK(ns_otlp_schema_url(&buf, &empty) == 0);
    CHECK(ns_otlp_schema_url(&buf, &url) == 0);
    CHECK(decodes_to_chars(&buf, OTLP_RESOURCE_SPANS,
                           "resource {\n  attributes {\n    key \"service.name\"\n    value {\n      string \"shop\"\n"
                           "    }\n  }\n}\nschema_url \"https://example.org/s\"\n"));
    buf.len = 0;
    ns_mark scope = ns_otlp_scope_open(&buf, &name, &version, &replaced);
    ns_otlp_key_value_text(&buf, NS_TAG_SCOPE_ATTRIBUTE, &key, &value);
    ns_otlp_close(&buf, scope);
    CHECK(replaced == 0);
    CHECK(decodes_to_chars(&buf, OTLP_SCOPE_SPANS,
                           "scope {\n  name \"lib\"\n  version \"1.0\"\n  attributes {\n    key \"service.name\"\n"
                           "    value {\n      string \"shop\"\n    }\n  }\n}\n"));
}

/* Every scalar, as an attribute and as an array element. */
static void check_scalar(ns_scalar scalar, void (*say)(otlp_text *, const void *), const void *value) {
    uint8_t storage[256];
    ns_buf buf;
    otlp_text expected = {0};
    ns_text key = ascii("key");
    size_t replaced = 0;
    ns_buf_init(&buf, storage, sizeof storage, sizeof storage);
    CHECK(ns_otlp_key_value_scalar(&buf, NS_TAG_SPAN_ATTRIBUTE, &key, &scalar) == 0);
    ns_mark pair = ns_otlp_key_value_open(&buf, NS_TAG_SPAN_ATTRIBUTE, &key, &replaced);
    ns_container array = ns_otlp_array_open(&buf, NS_TAG_KEY_VALUE_VALUE);
    ns_otlp_value_scalar(&buf, NS_TAG_ARRAY_VALUE, &scalar);
    ns_otlp_container_close(&buf, array);
    ns_otlp_close(&buf, pair);
    for (int in_array = 0; in_array < 2; in_array++) {
        otlp_text_open(&expected, "attributes");
        otlp_text_string(&expected, "key", "key", 3);
        otlp_text_open(&expected, "value");
        if (in_array) otlp_text_open(&expected, "array"), otlp_text_open(&expected, "values");
        if (say) say(&expected, value);
        if (in_array) otlp_text_close(&expected), otlp_text_close(&expected);
        otlp_text_close(&expected);
        otlp_text_close(&expected);
    }
    CHECK(decodes_to(&buf, OTLP_SPAN, &expected));
    otlp_text_free(&expected);
}

static void say_bool(otlp_text *text, const void *value) { otlp_text_bool(text, "bool", *(const bool *)value); }
static void say_int(otlp_text *text, const void *value) { otlp_text_int(text, "int", *(const int64_t *)value); }
static void say_double(otlp_text *text, const void *value) { otlp_text_double(text, "double", *(const double *)value); }

static void test_scalars(void) {
    check_scalar(ns_scalar_empty(), NULL, NULL);
    for (int value = 0; value < 2; value++) check_scalar(ns_scalar_bool(value), say_bool, &(bool){value});
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int64_t around = -2; around <= 2; around++) {
            int64_t value = (int64_t)((UINT64_C(1) << bit) + (uint64_t)around);
            check_scalar(ns_scalar_int(value), say_int, &value);
        }
    }
    const double doubles[] = {0.0, -0.0, 1.5, -1e300, DBL_MIN, DBL_TRUE_MIN, DBL_MAX, INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < sizeof doubles / sizeof doubles[0]; i++)
        check_scalar(ns_scalar_double(doubles[i]), say_double, &doubles[i]);
}

/* Nested messages, each of which outgrows its assumed length at another size of the innermost text: Span.events >
 * Event.attributes > KeyValue.value > AnyValue.kvlist > values > value > AnyValue.array > values. */
static void check_nested(const char *filler, size_t size, size_t start_room) {
    uint8_t storage[512];
    ns_buf buf;
    otlp_text expected = {0};
    size_t replaced = 0;
    ns_text key = ascii("k"), text = {.data = filler, .length = size};
    ns_buf_init(&buf, storage, start_room, (size_t)64 << 20);
    ns_mark event = ns_otlp_event_begin(&buf, 1, &key, &replaced);
    ns_mark pair = ns_otlp_key_value_open(&buf, NS_TAG_EVENT_ATTRIBUTE, &key, &replaced);
    ns_container kvlist = ns_otlp_kvlist_open(&buf, NS_TAG_KEY_VALUE_VALUE);
    ns_mark inner = ns_otlp_key_value_open(&buf, NS_TAG_KVLIST_VALUE, &key, &replaced);
    ns_container array = ns_otlp_array_open(&buf, NS_TAG_KEY_VALUE_VALUE);
    CHECK(ns_otlp_value_text(&buf, NS_TAG_ARRAY_VALUE, &text) == 0);
    ns_otlp_value_bytes(&buf, NS_TAG_ARRAY_VALUE, filler, size);
    ns_otlp_container_close(&buf, array);
    ns_otlp_close(&buf, inner);
    ns_otlp_container_close(&buf, kvlist);
    ns_otlp_close(&buf, pair);
    CHECK(ns_otlp_key_value_text(&buf, NS_TAG_EVENT_ATTRIBUTE, &text, &text) == 0);
    ns_otlp_event_end(&buf, event, 1);

    otlp_text_open(&expected, "events");
    otlp_text_uint(&expected, "time", 1);
    otlp_text_string(&expected, "name", "k", 1);
    static const char *const path[] = {"attributes", "value", "kvlist", "values", "value", "array"};
    for (size_t i = 0; i < 6; i++) {
        otlp_text_open(&expected, path[i]);
        if (i % 3 == 0) otlp_text_string(&expected, "key", "k", 1);
    }
    otlp_text_open(&expected, "values");
    otlp_text_string(&expected, "string", filler, size);
    otlp_text_close(&expected);
    otlp_text_open(&expected, "values");
    otlp_text_bytes(&expected, "bytes", filler, size);
    otlp_text_close(&expected);
    for (size_t i = 0; i < 6; i++) otlp_text_close(&expected);
    otlp_text_open(&expected, "attributes");
    if (size) otlp_text_string(&expected, "key", filler, size);
    otlp_text_open(&expected, "value");
    otlp_text_string(&expected, "string", filler, size);
    otlp_text_close(&expected);
    otlp_text_close(&expected);
    otlp_text_uint(&expected, "dropped_attributes", 1);
    otlp_text_close(&expected);
    CHECK(decodes_to(&buf, OTLP_SPAN, &expected));
    otlp_text_free(&expected);
    ns_buf_free(&buf);
}

static void test_length_boundaries(void) {
    enum { MAX = 2097200 };
    char *filler = malloc(MAX);
    CHECK(filler != NULL);
    for (size_t i = 0; i < MAX; i++) filler[i] = (char)('!' + i % 90);
    for (size_t size = 0; size < 160; size++) check_nested(filler, size, size * 3);
    /* The two texts double the size of their parents, hence the second range of each boundary. */
    for (size_t size = 8150; size < 8200; size++) check_nested(filler, size, 0);
    for (size_t size = 16340; size < 16390; size++) check_nested(filler, size, 512);
    for (size_t size = 1048560; size < 1048576; size += 3) check_nested(filler, size, 0);
    for (size_t size = 2097135; size < 2097155; size += 3) check_nested(filler, size, 0);
    free(filler);
}

static void test_savepoint(void) {
    uint8_t storage[64];
    ns_buf buf;
    size_t replaced = 0;
    ns_text key = ascii("key"), text = ascii("some text"), late = ascii("late");
    ns_buf_init(&buf, storage, sizeof storage, 4096);
    ns_mark event = ns_otlp_event_begin(&buf, 1, &key, &replaced);
    ns_savepoint before = ns_buf_save(&buf);
    /* Discarded half way, as for a list with an element that cannot be encoded; the buffer has moved meanwhile. */
    ns_mark pair = ns_otlp_key_value_open(&buf, NS_TAG_EVENT_ATTRIBUTE, &key, &replaced);
    ns_container array = ns_otlp_array_open(&buf, NS_TAG_KEY_VALUE_VALUE);
    for (int i = 0; i < 40; i++) ns_otlp_value_text(&buf, NS_TAG_ARRAY_VALUE, &text);
    ns_otlp_container_close(&buf, array);
    (void)pair;
    ns_buf_rewind(&buf, before);
    CHECK(buf.on_heap);
    ns_otlp_key_value_text(&buf, NS_TAG_EVENT_ATTRIBUTE, &late, &text);
    ns_otlp_event_end(&buf, event, 1);
    CHECK(decodes_to_chars(&buf, OTLP_SPAN,
                           "events {\n  time 1\n  name \"key\"\n  attributes {\n    key \"late\"\n    value {\n"
                           "      string \"some text\"\n    }\n  }\n  dropped_attributes 1\n}\n"));
    ns_buf_free(&buf);
}

int main(void) {
    test_whole_span();
    test_min_span();
    test_resource_and_scope();
    test_scalars();
    test_length_boundaries();
    test_savepoint();
    return ns_test_summary();
}
