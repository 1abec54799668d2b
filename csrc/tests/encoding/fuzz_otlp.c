/* Fuzzes the encoder: the input is a program of encoder calls (otlp_program.h) for one span, resource or scope. The decoder
 * must read back exactly the values given. */
#include "encoding/otlp_program.h"

/* Decodes into a text whose memory is reused from one input to the next. */
static bool decode(otlp_message kind, const ns_buf *buf, otlp_text **text, otlp_error *error) {
    static otlp_text got;
    got.len = got.depth = 0;
    *text = &got;
    return otlp_decode(kind, buf->data, buf->len, &got, error);
}

static bool decodes_as(const ns_buf *buf, const otlp_text *expected) {
    otlp_text *got;
    otlp_error error;
    return decode(OTLP_SPAN, buf, &got, &error) && otlp_text_equal(got, expected);
}

static void require_decodes(otlp_message kind, const fuzz_pair *pair) {
    otlp_text *got;
    otlp_error error = {0};
    bool fine = decode(kind, &pair->buf, &got, &error);
    if (!fine) fprintf(stderr, "%s at byte %zu\n", error.reason, error.offset);
    if (fine && !otlp_text_equal(got, &pair->text)) otlp_text_explain(got, &pair->text);
    REQUIRE(fine && otlp_text_equal(got, &pair->text));
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

/* A text that does not fit is omitted and counts as one; the written bytes show which texts were omitted. */
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
    fuzz_savepoint nothing = {.len = 0};
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
    if (!found) require_decodes(OTLP_SPAN, pair); /* reports the difference */
    REQUIRE(found);
    fuzz_text_free(&message);
}

static void put_span(fuzz_input *in, fuzz_pair *pair, uint8_t choice) {
    static uint8_t storage[96];
    pair->roomy = !(choice & 1);
    /* The smallest limit that fits the head. */
    size_t limit = pair->roomy ? (size_t)1 << 30 : 128 + (size_t)fuzz_byte(in) * (choice & 2 ? 200 : 2);
    ns_buf_init(&pair->buf, storage, choice % sizeof storage, limit);
    put_head(in, pair);
    uint32_t dropped = fuzz_attributes(in, pair, NS_TAG_SPAN_ATTRIBUTE, "attributes", 0);
    /* Attributes dropped before encoding may add to any count. */
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

/* A resource or a scope with its schema URL, as fields of ResourceSpans or ScopeSpans. */
static void put_source(fuzz_input *in, fuzz_pair *pair) {
    bool is_scope = fuzz_byte(in) & 1;
    fuzz_text name = fuzz_text_read(in), version = fuzz_text_read(in), url = fuzz_text_read(in);
    pair->roomy = true;
    ns_buf_init(&pair->buf, NULL, 0, (size_t)1 << 30);
    otlp_text_open(&pair->text, is_scope ? "scope" : "resource");
    ns_mark open = is_scope ? ns_otlp_scope_open(&pair->buf, &name.text, &version.text, &pair->replaced)
                            : ns_otlp_resource_open(&pair->buf);
    if (is_scope) {
        fuzz_text_say(pair, "name", &name);
        fuzz_text_say(pair, "version", &version);
    }
    (void)fuzz_attributes(in, pair, is_scope ? NS_TAG_SCOPE_ATTRIBUTE : NS_TAG_RESOURCE_ATTRIBUTE, "attributes", 0);
    ns_otlp_close(&pair->buf, open);
    otlp_text_close(&pair->text);
    pair->replaced += ns_otlp_schema_url(&pair->buf, &url.text);
    fuzz_text_say(pair, "schema_url", &url);
    REQUIRE(!pair->buf.failed && pair->replaced == pair->expected_replaced);
    require_decodes(is_scope ? OTLP_SCOPE_SPANS : OTLP_RESOURCE_SPANS, pair);
    fuzz_text_free(&name);
    fuzz_text_free(&version);
    fuzz_text_free(&url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_input in = {.bytes = data, .left = size};
    static otlp_text expected;
    fuzz_pair pair = {.text = {.chars = expected.chars, .cap = expected.cap}};
    uint8_t choice = fuzz_byte(&in);
    if (choice % 8 == 7) put_source(&in, &pair);
    else put_span(&in, &pair, choice);
    ns_buf_free(&pair.buf);
    expected = pair.text;
    return 0;
}

#ifdef NS_FUZZ_MAIN

static size_t make(void) {
    size_t size = fuzz_below(300);
    for (size_t i = 0; i < size; i++) fuzz_buffer[i] = (uint8_t)fuzz_below(256);
    return size;
}

int main(int argc, char **argv) { return fuzz_main(argc, argv, 10, make); }

#endif
