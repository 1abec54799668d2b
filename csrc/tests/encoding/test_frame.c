/* Batches framed from records, decoded and compared with a slow, simple grouping. */
#include "encoding/ns_frame.h"

#include <string.h>

#include "encoding/decoder.h"
#include "encoding/ns_otlp.h"
#include "ns_test.h"

enum { RESOURCES = 3, SCOPES = 3, TWINS = 2, SOURCES = RESOURCES * SCOPES * TWINS, MAX = 400 };

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t bound) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % bound;
}

/* --- sources -------------------------------------------------------------------------------------------------- */

static ns_source source_table[SOURCES];
static const ns_source *sources[SOURCES];
static char long_name[20000];

static ns_slice copy_of(const ns_buf *buf) {
    uint8_t *copy = malloc(buf->len + 1);
    CHECK(copy != NULL);
    memcpy(copy, buf->data, buf->len);
    return (ns_slice){copy, buf->len};
}

static ns_text text_of(const char *chars) { return (ns_text){.data = chars, .length = strlen(chars)}; }

static const char *const urls[] = {"", "https://example.org/one", "https://example.org/two"};
static const char *const names[] = {"scope 0", "scope 1", "scope 2"};

/* Twins: equal sources that were created separately. */
static void make_sources(void) {
    for (uint32_t i = 0; i < SOURCES; i++) {
        uint32_t resource_id = i % RESOURCES, scope_id = i / RESOURCES % SCOPES;
        uint8_t storage[256];
        ns_buf buf;
        size_t replaced = 0;
        ns_text key = text_of("id"), name = text_of(names[scope_id]), none = text_of("");
        ns_text resource_url = text_of(urls[resource_id]), scope_url = text_of(urls[scope_id]);
        ns_scalar id = ns_scalar_int(resource_id);
        ns_source *source = &source_table[i];
        *source = (ns_source){.resource_id = resource_id * 100, .scope_id = scope_id + 7};
        ns_buf_init(&buf, storage, sizeof storage, sizeof storage);
        ns_mark open = ns_otlp_resource_open(&buf);
        ns_otlp_key_value_scalar(&buf, NS_TAG_RESOURCE_ATTRIBUTE, &key, &id);
        ns_otlp_close(&buf, open);
        source->resource_head = copy_of(&buf);
        buf.len = 0;
        ns_otlp_schema_url(&buf, &resource_url);
        source->resource_tail = copy_of(&buf);
        buf.len = 0;
        open = ns_otlp_scope_open(&buf, &name, &none, &replaced);
        ns_otlp_close(&buf, open);
        source->scope_head = copy_of(&buf);
        buf.len = 0;
        ns_otlp_schema_url(&buf, &scope_url);
        source->scope_tail = copy_of(&buf);
        sources[i] = source;
    }
}

static void free_sources(void) {
    for (uint32_t i = 0; i < SOURCES; i++) {
        free((void *)source_table[i].resource_head.data);
        free((void *)source_table[i].resource_tail.data);
        free((void *)source_table[i].scope_head.data);
        free((void *)source_table[i].scope_tail.data);
    }
}

/* --- records and their expected grouping ---------------------------------------------------------------------- */

static ns_record record_of(uint32_t number, uint32_t name_size, uint32_t source) {
    uint8_t storage[64];
    ns_buf buf;
    ns_span_head head = {.name = {.data = long_name, .length = name_size}};
    memcpy(head.trace_id, &number, sizeof number);
    head.span_id[0] = 1;
    ns_buf_init(&buf, storage, sizeof storage, 1 << 20);
    ns_otlp_span_begin(&buf, &head);
    CHECK(!buf.failed);
    ns_record record = {.data = copy_of(&buf).data, .size = (uint32_t)buf.len, .source = source};
    ns_buf_free(&buf);
    return record;
}

static void say_span(otlp_text *text, const ns_record *record) {
    otlp_error error;
    otlp_text_open(text, "spans");
    CHECK(otlp_decode(OTLP_SPAN, record->data, record->size, text, &error));
    otlp_text_close(text);
}

static void say_scope(otlp_text *text, const ns_record *records, size_t count, size_t first) {
    const ns_source *source = sources[records[first].source];
    const char *name = names[source->scope_id - 7], *url = urls[source->scope_id - 7];
    otlp_text_open(text, "scope_spans");
    otlp_text_open(text, "scope");
    otlp_text_string(text, "name", name, strlen(name));
    otlp_text_close(text);
    for (size_t i = first; i < count; i++) {
        const ns_source *other = sources[records[i].source];
        if (other->resource_id == source->resource_id && other->scope_id == source->scope_id) say_span(text, &records[i]);
    }
    if (*url) otlp_text_string(text, "schema_url", url, strlen(url));
    otlp_text_close(text);
}

/* Whether this is the first record of its resource, or of its scope within the resource. */
static bool is_first(const ns_record *records, size_t at, bool of_scope) {
    const ns_source *source = sources[records[at].source];
    for (size_t i = 0; i < at; i++) {
        const ns_source *other = sources[records[i].source];
        if (other->resource_id == source->resource_id && (!of_scope || other->scope_id == source->scope_id)) return false;
    }
    return true;
}

static void say_request(otlp_text *text, const ns_record *records, size_t count) {
    for (size_t r = 0; r < count; r++) {
        if (!is_first(records, r, false)) continue;
        const ns_source *source = sources[records[r].source];
        const char *url = urls[source->resource_id / 100];
        otlp_text_open(text, "resource_spans");
        otlp_text_open(text, "resource");
        otlp_text_open(text, "attributes");
        otlp_text_string(text, "key", "id", 2);
        otlp_text_open(text, "value");
        otlp_text_int(text, "int", source->resource_id / 100);
        for (int i = 0; i < 3; i++) otlp_text_close(text);
        for (size_t s = r; s < count; s++)
            if (sources[records[s].source]->resource_id == source->resource_id && is_first(records, s, true))
                say_scope(text, records, count, s);
        if (*url) otlp_text_string(text, "schema_url", url, strlen(url));
        otlp_text_close(text);
    }
}

static void check_body(const uint8_t *body, size_t size, const ns_record *records, size_t count) {
    otlp_text got = {0}, expected = {0};
    otlp_error error;
    CHECK(otlp_decode(OTLP_REQUEST, body, size, &got, &error));
    say_request(&expected, records, count);
    if (!otlp_text_equal(&got, &expected)) otlp_text_explain(&got, &expected);
    CHECK(otlp_text_equal(&got, &expected));
    otlp_text_free(&got);
    otlp_text_free(&expected);
}

/* `framed` must contain the same records, grouped, each at its place in the body. */
static void check_framed(const uint8_t *body, size_t size, const ns_record *records, const ns_record *framed, size_t count) {
    static bool used[MAX];
    memset(used, 0, sizeof used);
    const uint8_t *last = body;
    for (size_t i = 0; i < count; i++) {
        CHECK(framed[i].data > last && framed[i].data + framed[i].size <= body + size);
        last = framed[i].data + framed[i].size - 1;
        bool found = false;
        for (size_t j = 0; j < count && !found; j++) {
            if (used[j] || records[j].source != framed[i].source || records[j].size != framed[i].size) continue;
            found = used[j] = memcmp(records[j].data, framed[i].data, framed[i].size) == 0;
        }
        CHECK(found);
    }
}

/* Frames, then frames each half of the result, down to single spans. */
static void check_split(const ns_record *records, size_t count) {
    uint8_t *body;
    size_t size;
    ns_record *framed = malloc(count * sizeof *framed);
    CHECK(framed != NULL);
    CHECK(ns_frame(records, count, sources, &body, &size, framed) == 0);
    check_body(body, size, records, count);
    check_framed(body, size, records, framed, count);
    if (count > 1) {
        check_split(framed, count / 2);
        check_split(framed + count / 2, count - count / 2);
    }
    ns_frame_free(body);
    free(framed);
}

static void test_nothing(void) {
    uint8_t *body = (uint8_t *)1;
    size_t size = 1;
    CHECK(ns_frame(NULL, 0, sources, &body, &size, NULL) == 0);
    CHECK(body == NULL && size == 0);
    ns_frame_free(body);
}

static void test_order(void) {
    /* resource = source % 3, scope = source / 3 % 3, twins are 9 apart */
    static const uint32_t of[] = {4, 0, 13, 3, 9, 1, 4, 12, 0};
    enum { COUNT = sizeof of / sizeof of[0] };
    ns_record records[COUNT], framed[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) records[i] = record_of(i, 3, of[i]);
    uint8_t *body;
    size_t size;
    CHECK(ns_frame(records, COUNT, sources, &body, &size, framed) == 0);
    check_body(body, size, records, COUNT);
    /* The expected order: scope 1 of resource 1, scope 0 of resource 1; scope 0 of resource 0, scope 1. */
    static const uint32_t order[COUNT] = {0, 2, 6, 5, 1, 4, 8, 3, 7};
    for (uint32_t i = 0; i < COUNT; i++) CHECK(memcmp(framed[i].data, records[order[i]].data, framed[i].size) == 0);
    ns_frame_free(body);

    /* `framed` may alias `records` */
    ns_record in_place[COUNT];
    memcpy(in_place, records, sizeof records);
    CHECK(ns_frame(in_place, COUNT, sources, &body, &size, in_place) == 0);
    check_body(body, size, records, COUNT);
    check_framed(body, size, records, in_place, COUNT);
    ns_frame_free(body);
    for (uint32_t i = 0; i < COUNT; i++) free((void *)records[i].data);
}

static void test_sizes(void) {
    /* One span that makes its own length, its scope's or its resource's cross a boundary. */
    for (uint32_t start = 0; start <= 16300; start += 16300) {
        for (uint32_t size = start; size < start + 140; size++) {
            ns_record record = record_of(size, size, 4);
            check_split(&record, 1);
            free((void *)record.data);
        }
    }
}

static void test_random_batches(void) {
    for (uint32_t round = 0; round < 40; round++) {
        size_t count = 1 + random_below(round % 8 ? 40 : MAX);
        uint32_t few = 1 + random_below(SOURCES);
        ns_record records[MAX];
        for (uint32_t i = 0; i < count; i++)
            records[i] = record_of(i, random_below(round % 5 ? 60 : 300), random_below(few));
        check_split(records, count);
        for (uint32_t i = 0; i < count; i++) free((void *)records[i].data);
    }
}

int main(void) {
    memset(long_name, 'n', sizeof long_name);
    make_sources();
    test_nothing();
    test_order();
    test_sizes();
    test_random_batches();
    free_sources();
    return ns_test_summary();
}
