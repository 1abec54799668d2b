/* Fuzzes the encoder and the framing: the input is a program of encoder calls (fuzz_program.h), whose bytes the
 * decoder must read back as what was said.
 *
 * For libFuzzer as it is; with -DNS_FUZZ_MAIN a program that runs the files it is given and then as many pseudo-random
 * inputs as NS_FUZZ_MAIN_INPUTS says. */
#include <string.h>

#include "fuzz_program.h"
#include "ns_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_SPANS = 12, SOURCES = 5, SPAN_DEPTH = 3 /* request > resource_spans > scope_spans > spans */ };

/* --- one span ------------------------------------------------------------------------------------------------------ */

typedef struct fuzz_span {
    fuzz_pair pair;
    uint32_t source;
} fuzz_span;

static bool decodes_as(const ns_buf *buf, const otlp_text *expected) {
    otlp_text got = {.depth = SPAN_DEPTH};
    otlp_error error;
    bool fine = otlp_decode(OTLP_SPAN, buf->data, buf->len, &got, &error) && otlp_text_equal(&got, expected);
    otlp_text_free(&got);
    return fine;
}

static void require_decodes(const fuzz_pair *pair) {
    otlp_text got = {.depth = SPAN_DEPTH};
    otlp_error error = {0};
    bool fine = otlp_decode(OTLP_SPAN, pair->buf.data, pair->buf.len, &got, &error);
    if (!fine) fprintf(stderr, "%s at byte %zu\n", error.reason, error.offset);
    if (fine && !otlp_text_equal(&got, &pair->text)) otlp_text_explain(&got, &pair->text);
    REQUIRE(fine && otlp_text_equal(&got, &pair->text));
    otlp_text_free(&got);
}

static void say_id(otlp_text *text, const char *name, const uint8_t *id, size_t size) {
    otlp_text_bytes(text, name, id, size);
}

static void say_number(otlp_text *text, const char *name, uint64_t value) {
    if (value) otlp_text_uint(text, name, value);
}

static void say_head(fuzz_pair *pair, const ns_span_head *head, const fuzz_text *state, const fuzz_text *name) {
    say_id(&pair->text, "trace_id", head->trace_id, 16);
    say_id(&pair->text, "span_id", head->span_id, 8);
    if (state) fuzz_text_say(pair, "trace_state", state);
    if (head->has_parent) say_id(&pair->text, "parent_span_id", head->parent_span_id, 8);
    if (name) fuzz_text_say(pair, "name", name);
    say_number(&pair->text, "kind", head->kind);
    say_number(&pair->text, "start_time", head->start_time);
    say_number(&pair->text, "end_time", head->end_time);
}

/* A text that does not fit is left out and counts as one: which were is told by what was written. */
static void put_head(fuzz_input *in, fuzz_pair *pair) {
    ns_span_head head = {.has_parent = fuzz_byte(in) & 1, .kind = fuzz_byte(in) % 6};
    memset(head.trace_id, fuzz_byte(in), sizeof head.trace_id);
    memset(head.span_id, fuzz_byte(in), sizeof head.span_id);
    memset(head.parent_span_id, fuzz_byte(in), sizeof head.parent_span_id);
    head.start_time = fuzz_number(in);
    head.end_time = fuzz_number(in);
    fuzz_text state = fuzz_text_read(in), name = fuzz_text_read(in);
    head.trace_state = state.text;
    head.name = name.text;
    pair->replaced += ns_otlp_span_begin(&pair->buf, &head);
    REQUIRE(!pair->buf.failed && pair->buf.len <= pair->buf.limit);
    fuzz_savepoint nothing = {.depth = SPAN_DEPTH};
    bool found = false;
    for (unsigned left_out = 0; left_out < (pair->roomy ? 1 : 4) && !found; left_out++) {
        nothing.buf = ns_buf_save(&pair->buf);
        nothing.replaced = pair->replaced;
        fuzz_rewind(pair, nothing);
        pair->expected_replaced = (left_out & 1) + (left_out >> 1);
        say_head(pair, &head, left_out & 1 ? NULL : &state, left_out & 2 ? NULL : &name);
        found = pair->replaced == pair->expected_replaced && decodes_as(&pair->buf, &pair->text);
    }
    REQUIRE(found);
    fuzz_text_free(&state);
    fuzz_text_free(&name);
}

static uint32_t put_events(fuzz_input *in, fuzz_pair *pair) {
    uint32_t given_up = 0;
    for (unsigned i = fuzz_byte(in) % 5; i > 0; i--) {
        fuzz_savepoint before = fuzz_save(pair);
        fuzz_text name = fuzz_text_read(in);
        uint64_t time = fuzz_number(in);
        ns_mark event = ns_otlp_event_begin(&pair->buf, time, &name.text, &pair->replaced);
        otlp_text_open(&pair->text, "events");
        say_number(&pair->text, "time", time);
        fuzz_text_say(pair, "name", &name);
        uint32_t dropped = fuzz_attributes(in, pair, NS_TAG_EVENT_ATTRIBUTE, "attributes", 0);
        ns_otlp_event_end(&pair->buf, event, dropped);
        say_number(&pair->text, "dropped_attributes", dropped);
        otlp_text_close(&pair->text);
        fuzz_text_free(&name);
        given_up += !fuzz_settle(in, pair, before);
    }
    return given_up;
}

static uint32_t put_links(fuzz_input *in, fuzz_pair *pair) {
    uint32_t given_up = 0;
    for (unsigned i = fuzz_byte(in) % 5; i > 0; i--) {
        fuzz_savepoint before = fuzz_save(pair);
        fuzz_text state = fuzz_text_read(in);
        uint8_t id[24];
        memset(id, fuzz_byte(in), sizeof id);
        uint32_t flags = (uint32_t)fuzz_number(in);
        ns_mark link = ns_otlp_link_begin(&pair->buf, id, id + 16, &state.text, &pair->replaced);
        otlp_text_open(&pair->text, "links");
        say_id(&pair->text, "trace_id", id, 16);
        say_id(&pair->text, "span_id", id + 16, 8);
        fuzz_text_say(pair, "trace_state", &state);
        uint32_t dropped = fuzz_attributes(in, pair, NS_TAG_LINK_ATTRIBUTE, "attributes", 0);
        ns_otlp_link_end(&pair->buf, link, dropped, flags);
        say_number(&pair->text, "dropped_attributes", dropped);
        say_number(&pair->text, "flags", flags);
        otlp_text_close(&pair->text);
        fuzz_text_free(&state);
        given_up += !fuzz_settle(in, pair, before);
    }
    return given_up;
}

static void put_tail(fuzz_input *in, fuzz_pair *pair, uint32_t dropped_links) {
    fuzz_text message = fuzz_text_read(in);
    ns_span_tail tail = {.dropped_links = dropped_links,
                         .flags = (uint32_t)fuzz_number(in),
                         .has_status = fuzz_byte(in) & 1,
                         .status_code = fuzz_byte(in) % 3,
                         .status_message = message.text};
    pair->replaced += ns_otlp_span_end(&pair->buf, &tail);
    REQUIRE(!pair->buf.failed && pair->buf.len <= pair->buf.limit + NS_OTLP_FIXED_ROOM);
    fuzz_savepoint before = fuzz_save(pair);
    bool found = false;
    for (unsigned left_out = 0; left_out < (pair->roomy ? 1 : 2) && !found; left_out++) {
        fuzz_rewind(pair, before);
        say_number(&pair->text, "dropped_links", dropped_links);
        if (tail.has_status) {
            otlp_text_open(&pair->text, "status");
            if (left_out) pair->expected_replaced++;
            else fuzz_text_say(pair, "message", &message);
            say_number(&pair->text, "code", tail.status_code);
            otlp_text_close(&pair->text);
        }
        say_number(&pair->text, "flags", tail.flags);
        found = pair->replaced == pair->expected_replaced && decodes_as(&pair->buf, &pair->text);
    }
    if (!found) require_decodes(pair); /* says where they differ */
    REQUIRE(found);
    fuzz_text_free(&message);
}

static void put_span(fuzz_input *in, fuzz_span *span) {
    static uint8_t storage[MAX_SPANS][96];
    static unsigned next_storage = 0;
    uint8_t choice = fuzz_byte(in);
    fuzz_pair *pair = &span->pair;
    *pair = (fuzz_pair){.text.depth = SPAN_DEPTH, .roomy = !(choice & 1)};
    /* The least limit that holds the head. */
    size_t limit = pair->roomy ? (size_t)1 << 30 : 128 + (size_t)fuzz_byte(in) * (choice & 2 ? 200 : 2);
    next_storage = (next_storage + 1) % MAX_SPANS;
    ns_buf_init(&pair->buf, storage[next_storage], choice % sizeof storage[0], limit);
    span->source = (choice >> 2) % SOURCES;
    put_head(in, pair);
    uint32_t dropped = fuzz_attributes(in, pair, NS_TAG_SPAN_ATTRIBUTE, "attributes", 0);
    /* Any count may be added to by what was dropped before encoding. */
    if (choice & 64) dropped += (uint32_t)fuzz_number(in);
    ns_otlp_span_attributes_end(&pair->buf, dropped);
    say_number(&pair->text, "dropped_attributes", dropped);
    dropped = put_events(in, pair);
    if (choice & 64) dropped += (uint32_t)fuzz_number(in);
    ns_otlp_span_events_end(&pair->buf, dropped);
    say_number(&pair->text, "dropped_events", dropped);
    dropped = put_links(in, pair);
    if (choice & 64) dropped += (uint32_t)fuzz_number(in);
    put_tail(in, pair, dropped);
}

/* --- a batch ------------------------------------------------------------------------------------------------------- */

/* Resources 0 and 1; the scopes of source 3 and 4 are equal, so is their resource. */
static const uint8_t resource_heads[2][2] = {{0x0A, 0x00}, {0x0A, 0x00}};
static const uint8_t scope_heads[3][5] = {{0x0A, 3, 0x0A, 1, 'a'}, {0x0A, 3, 0x0A, 1, 'b'}, {0x0A, 3, 0x0A, 1, 'c'}};
static const uint8_t url[] = {0x1A, 1, 'u'};

#define SOURCE(resource, scope, has_url)                                                                               \
    {resource, scope, {resource_heads[resource], 2}, {url, has_url ? 3 : 0}, {scope_heads[scope], 5},                  \
     {url, scope == 1 ? 3 : 0}}

static const ns_source described[SOURCES] = {SOURCE(0, 0, false), SOURCE(0, 1, false), SOURCE(1, 0, true),
                                             SOURCE(1, 2, true), SOURCE(1, 2, true)};
static const ns_source *const sources[SOURCES] = {&described[0], &described[1], &described[2], &described[3],
                                                  &described[4]};

static void say_batch(otlp_text *text, const ns_record *records, const otlp_text *const *spans, size_t count) {
    bool done[MAX_SPANS] = {false};
    for (size_t r = 0; r < count; r++) {
        if (done[r]) continue;
        const ns_source *resource = sources[records[r].source];
        otlp_text_open(text, "resource_spans");
        otlp_text_open(text, "resource");
        otlp_text_close(text);
        for (size_t s = r; s < count; s++) {
            const ns_source *scope = sources[records[s].source];
            if (done[s] || scope->resource_id != resource->resource_id) continue;
            otlp_text_open(text, "scope_spans");
            otlp_text_open(text, "scope");
            otlp_text_string(text, "name", &"abc"[scope->scope_id], 1);
            otlp_text_close(text);
            for (size_t i = s; i < count; i++) {
                const ns_source *source = sources[records[i].source];
                if (source->resource_id != scope->resource_id || source->scope_id != scope->scope_id) continue;
                otlp_text_open(text, "spans");
                otlp_text_append(text, spans[i]);
                otlp_text_close(text);
                done[i] = true;
            }
            if (scope->scope_tail.size) otlp_text_string(text, "schema_url", "u", 1);
            otlp_text_close(text);
        }
        if (resource->resource_tail.size) otlp_text_string(text, "schema_url", "u", 1);
        otlp_text_close(text);
    }
}

static void frame(const ns_record *records, const otlp_text *const *spans, size_t count) {
    uint8_t *body;
    size_t size;
    ns_record framed[MAX_SPANS];
    otlp_text got = {0}, expected = {0};
    otlp_error error = {0};
    REQUIRE(ns_frame(records, count, sources, &body, &size, framed) == 0);
    bool fine = otlp_decode(OTLP_REQUEST, body, size, &got, &error);
    if (!fine) fprintf(stderr, "%s at byte %zu\n", error.reason, error.offset);
    say_batch(&expected, records, spans, count);
    if (fine && !otlp_text_equal(&got, &expected)) otlp_text_explain(&got, &expected);
    REQUIRE(fine && otlp_text_equal(&got, &expected));
    otlp_text_free(&got);
    otlp_text_free(&expected);
    if (count > 1) {
        /* A body that was refused is framed again in halves: find out which text belongs to which framed record. */
        const otlp_text *framed_spans[MAX_SPANS];
        bool used[MAX_SPANS] = {false};
        for (size_t i = 0; i < count; i++) {
            size_t j = 0;
            while (j < count && (used[j] || records[j].source != framed[i].source || records[j].size != framed[i].size ||
                                 memcmp(records[j].data, framed[i].data, framed[i].size) != 0))
                j++;
            REQUIRE(j < count);
            used[j] = true;
            framed_spans[i] = spans[j];
        }
        frame(framed, framed_spans, count / 2);
        frame(framed + count / 2, framed_spans + count / 2, count - count / 2);
    }
    ns_frame_free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_input in = {data, size};
    fuzz_span spans[MAX_SPANS];
    ns_record records[MAX_SPANS];
    const otlp_text *texts[MAX_SPANS];
    size_t count = 1 + fuzz_byte(&in) % MAX_SPANS;
    for (size_t i = 0; i < count; i++) {
        put_span(&in, &spans[i]);
        const ns_buf *buf = &spans[i].pair.buf;
        records[i] = (ns_record){.data = buf->data, .size = (uint32_t)buf->len, .source = spans[i].source};
        texts[i] = &spans[i].pair.text;
    }
    frame(records, texts, count);
    for (size_t i = 0; i < count; i++) {
        ns_buf_free(&spans[i].pair.buf);
        otlp_text_free(&spans[i].pair.text);
    }
    return 0;
}

/* --- without libFuzzer --------------------------------------------------------------------------------------------- */

#ifdef NS_FUZZ_MAIN
#include "fuzz_main.h"

int main(int argc, char **argv) {
    uint64_t state = 1;
    fuzz_run_files(argc, argv);
    for (int i = 0; i < NS_FUZZ_MAIN_INPUTS; i++) {
        size_t size = (size_t)i % 900;
        for (size_t b = 0; b < size; b++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            fuzz_buffer[b] = (uint8_t)(state >> 56);
        }
        LLVMFuzzerTestOneInput(fuzz_buffer, size);
    }
    printf("fuzz_otlp: ok, %d files and %d pseudo-random inputs\n", argc - 1, NS_FUZZ_MAIN_INPUTS);
    return 0;
}
#endif
