/* The buffer and the encoder at the limit: an item that does not fit is lost alone. */
#include <string.h>

#include "encoding/decoder.h"
#include "encoding/ns_otlp.h"
#include "ns_test.h"

static char filler[1 << 16];

static ns_text text_of(size_t size) { return (ns_text){.data = filler, .length = size, .width = NS_TEXT_UTF8}; }

static const ns_span_head plain_head = {
    .trace_id = {1}, .span_id = {2}, .parent_span_id = {3}, .has_parent = true, .kind = 5, .start_time = 1, .end_time = 2};

/* Writes a whole field with a text value of `size` bytes. Returns false and leaves the buffer unchanged if it does not
 * fit. */
static bool add_attribute(ns_buf *buf, size_t size) {
    ns_savepoint before = ns_buf_save(buf);
    ns_text key = text_of(1), value = text_of(size);
    ns_otlp_key_value_text(buf, NS_TAG_SPAN_ATTRIBUTE, &key, &value);
    if (!buf->failed) return true;
    ns_buf_rewind(buf, before);
    return false;
}

static bool add_event(ns_buf *buf, size_t name_size) {
    ns_savepoint before = ns_buf_save(buf);
    ns_text name = text_of(name_size);
    size_t replaced = 0;
    ns_mark event = ns_otlp_event_begin(buf, 1, &name, &replaced);
    ns_otlp_event_end(buf, event, 0);
    if (!buf->failed) return true;
    ns_buf_rewind(buf, before);
    return false;
}

static bool add_link(ns_buf *buf, size_t trace_state_size) {
    ns_savepoint before = ns_buf_save(buf);
    ns_text state = text_of(trace_state_size);
    size_t replaced = 0;
    ns_mark link = ns_otlp_link_begin(buf, plain_head.trace_id, plain_head.span_id, &state, &replaced);
    ns_otlp_link_end(buf, link, 0, 1);
    if (!buf->failed) return true;
    ns_buf_rewind(buf, before);
    return false;
}

/* Fills the buffer up to `left` bytes below its limit with texts short enough for lengths of one byte. */
static void fill(ns_buf *buf, size_t left) {
    enum { AROUND = 9 }; /* two heads, key, two heads */
    while (buf->limit - buf->len > left + 120) CHECK(add_attribute(buf, 50));
    CHECK(buf->limit - buf->len >= left + AROUND);
    CHECK(add_attribute(buf, buf->limit - buf->len - left - AROUND));
    CHECK(buf->limit - buf->len == left);
}

typedef struct seen {
    bool fine;
    bool has_name, has_status_code, has_flags, has_all_dropped;
} seen;

static seen inspect(const ns_buf *buf) {
    otlp_text text = {0};
    otlp_error error;
    seen seen = {.fine = !buf->failed && otlp_decode(OTLP_SPAN, buf->data, buf->len, &text, &error)};
    if (seen.fine) {
        /* Only fields of the span itself start their lines. */
        seen.has_name = strstr(text.chars, "\nname ") != NULL;
        seen.has_status_code = strstr(text.chars, "\n  code 2\n") != NULL;
        seen.has_flags = strstr(text.chars, "\nflags 4294967295\n") != NULL;
        seen.has_all_dropped = strstr(text.chars, "\ndropped_attributes 4294967295\n") &&
                               strstr(text.chars, "\ndropped_events 4294967295\n") &&
                               strstr(text.chars, "\ndropped_links 4294967295\n");
    }
    otlp_text_free(&text);
    return seen;
}

static void test_buf_growth(void) {
    for (size_t storage_size = 0; storage_size <= 64; storage_size += 8) {
        for (size_t limit = 0; limit < 300; limit += 7) {
            uint8_t storage[64];
            ns_buf buf;
            ns_buf_init(&buf, storage, storage_size, limit);
            size_t added = 0;
            while (!buf.failed) {
                CHECK(buf.len == added && buf.cap <= limit && buf.len <= buf.cap);
                uint8_t *out = ns_buf_room(&buf, 3);
                CHECK((out == NULL) == buf.failed);
                if (!out) break;
                memcpy(out, filler + added, 3);
                buf.len += 3, added += 3;
            }
            CHECK(added == limit / 3 * 3 && buf.len == added);
            CHECK(added == 0 || memcmp(buf.data, filler, added) == 0);
            CHECK(ns_buf_room(&buf, 0) == NULL); /* sticky for any size */
            ns_buf_rewind(&buf, (ns_savepoint){added / 2, false});
            CHECK(buf.len == added / 2 && !buf.failed);
            ns_buf_free(&buf);
        }
    }
}

/* At every limit below its size a message fails cleanly; at its size it is written. */
static void test_every_limit(void) {
    static const size_t sizes[] = {0, 30, 127, 130, 300};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        ns_text text = text_of(sizes[s]), key = text_of(3);
        size_t needed = 0;
        for (size_t limit = 0; needed == 0; limit++) {
            uint8_t storage[40];
            ns_buf buf;
            size_t replaced = 0;
            CHECK(limit < 2000);
            ns_buf_init(&buf, storage, sizeof storage, limit);
            ns_mark pair = ns_otlp_key_value_open(&buf, NS_TAG_SPAN_ATTRIBUTE, &key, &replaced);
            ns_container list = ns_otlp_kvlist_open(&buf, NS_TAG_KEY_VALUE_VALUE);
            ns_mark inner = ns_otlp_key_value_open(&buf, NS_TAG_KVLIST_VALUE, &key, &replaced);
            ns_container array = ns_otlp_array_open(&buf, NS_TAG_KEY_VALUE_VALUE);
            ns_otlp_value_text(&buf, NS_TAG_ARRAY_VALUE, &text);
            ns_otlp_value_bytes(&buf, NS_TAG_ARRAY_VALUE, filler, sizes[s]);
            ns_otlp_container_close(&buf, array);
            ns_otlp_close(&buf, inner);
            ns_otlp_container_close(&buf, list);
            ns_otlp_close(&buf, pair);
            if (!buf.failed) {
                otlp_text out = {0};
                otlp_error error;
                CHECK(buf.len == limit); /* no more room was requested than necessary */
                CHECK(otlp_decode(OTLP_SPAN, buf.data, buf.len, &out, &error));
                otlp_text_free(&out);
                needed = limit;
            }
            CHECK(buf.len <= limit);
            ns_buf_free(&buf);
        }
    }
}

/* However little room the attributes leave, the span is completed with its fixed fields, and its events and links obey the
 * limit. */
static void check_finish(size_t left, size_t event_size, size_t message_size) {
    enum { LIMIT = 1024 };
    uint8_t storage[100];
    ns_buf buf;
    ns_buf_init(&buf, storage, sizeof storage, LIMIT);
    CHECK(ns_otlp_span_begin(&buf, &plain_head) == 0);
    fill(&buf, left);
    CHECK(!add_attribute(&buf, left));
    ns_otlp_span_attributes_end(&buf, UINT32_MAX);
    CHECK(!buf.failed && buf.len <= LIMIT + 6);
    if (add_event(&buf, event_size)) CHECK(buf.len <= LIMIT);
    CHECK(!add_event(&buf, LIMIT));
    ns_otlp_span_events_end(&buf, UINT32_MAX);
    if (add_link(&buf, event_size)) CHECK(buf.len <= LIMIT);
    CHECK(!add_link(&buf, LIMIT));
    ns_span_tail tail = {.dropped_links = UINT32_MAX,
                         .flags = UINT32_MAX,
                         .has_status = true,
                         .status_code = 2,
                         .status_message = text_of(message_size)};
    size_t lost = ns_otlp_span_end(&buf, &tail);
    CHECK(!buf.failed && buf.len <= LIMIT + NS_OTLP_FIXED_ROOM);
    CHECK(buf.limit == LIMIT);
    CHECK(lost <= 1);
    if (message_size > left) CHECK(lost == 1);
    if (left > message_size + NS_OTLP_FIXED_ROOM + event_size * 2 + 60) CHECK(lost == 0);
    seen seen = inspect(&buf);
    CHECK(seen.fine && seen.has_status_code && seen.has_flags && seen.has_all_dropped);
    ns_buf_free(&buf);
}

static void test_fixed_fields_survive(void) {
    static const size_t message_sizes[] = {0, 1, 60, 127, 200, 1000, 60000};
    for (size_t left = 0; left < 400; left++) {
        check_finish(left, left % 70, message_sizes[left % 7]);
        check_finish(left, 5, 10);
    }
}

/* The smallest case of the above: a dropped count above the limit does not open the limit for later fields. */
static void test_limit_holds_behind_dropped_count(void) {
    uint8_t storage[256];
    ns_buf buf;
    ns_buf_init(&buf, storage, sizeof storage, sizeof storage);
    CHECK(ns_otlp_span_begin(&buf, &plain_head) == 0);
    fill(&buf, 0);
    ns_otlp_span_attributes_end(&buf, 1);
    CHECK(!buf.failed);
    CHECK(!add_event(&buf, 20));
    CHECK(!add_event(&buf, 5000));
    CHECK(!add_link(&buf, 5000));
    ns_buf_free(&buf);
}

/* A name, trace state or status message that is too large is omitted and counts as one; the other fields stay. */
static void test_texts_too_large(void) {
    enum { LIMIT = 512, NO_TRACE_STATE = 18 + 10 + 10 };
    for (size_t size = 300; size < 600; size++) {
        uint8_t storage[64];
        ns_buf buf;
        ns_span_head head = plain_head;
        head.name = text_of(size);
        ns_buf_init(&buf, storage, sizeof storage, LIMIT);
        bool fits = NO_TRACE_STATE + 3 + size + NS_OTLP_FIXED_ROOM <= LIMIT;
        CHECK(ns_otlp_span_begin(&buf, &head) == !fits);
        seen after = inspect(&buf);
        CHECK(after.fine && after.has_name == fits);
        ns_buf_free(&buf);

        /* Of two texts that do not fit together the first stays; an omitted text leaves its room to the other. */
        head.trace_state = text_of(size);
        head.name = text_of(100);
        ns_buf_init(&buf, storage, sizeof storage, LIMIT);
        size_t lost = ns_otlp_span_begin(&buf, &head);
        after = inspect(&buf);
        CHECK(after.fine && lost <= 1);
        bool state_fits = 18 + 10 + 3 + size + NS_OTLP_FIXED_ROOM <= LIMIT;
        CHECK(after.has_name == (lost == 0 || !state_fits));
        ns_buf_free(&buf);

        ns_buf_init(&buf, storage, sizeof storage, LIMIT);
        CHECK(ns_otlp_span_begin(&buf, &plain_head) == 0);
        size_t before = buf.len;
        ns_span_tail tail = {.has_status = true, .status_code = 2, .status_message = text_of(size), .flags = UINT32_MAX};
        lost = ns_otlp_span_end(&buf, &tail);
        CHECK(lost == (before + 2 + 3 + size > LIMIT));
        after = inspect(&buf);
        CHECK(after.fine && after.has_status_code && after.has_flags);
        ns_buf_free(&buf);
    }
}

int main(void) {
    for (size_t i = 0; i < sizeof filler; i++) filler[i] = (char)('a' + i % 26);
    test_buf_growth();
    test_every_limit();
    test_texts_too_large();
    test_limit_holds_behind_dropped_count();
    test_fixed_fields_survive();
    return ns_test_summary();
}
