/* Fuzzes the reading of facts from encoded spans and resources: it never reads beyond the bytes, accepts every span that the
 * strict decoder accepts, and returns the facts in the decoder's text. */
#include <inttypes.h>
#include <sys/mman.h>
#include <unistd.h>

#include "encoding/decoder.h"
#include "fuzz_main.h"
#include "tail/ns_facts.h"

/* --- the conditions ------------------------------------------------------------------------------------------------ */

enum { MAX = 1 << 16 };

static bool begins_with_v(void *context, size_t condition, const char *chars, size_t size) {
    REQUIRE(context == NULL && condition == 1 && size > 0);
    return chars[0] == 'v';
}

static const ns_conditions *conditions(void) {
    static const ns_word words[] = {{"v", 1}, {"value", 5}}, states[] = {{"on", 2}};
    static const ns_condition sought[] = {
        {.kind = NS_TEXT_IS, .key = {"k", 1}, .values = words, .value_count = 2},
        {.kind = NS_TEXT_LIKE, .key = {"k", 1}},
        {.kind = NS_NUMBER_IN, .key = {"number", 6}, .min_value = -10, .max_value = 1000},
        {.kind = NS_BOOL_IS, .key = {"switched.on", 11}, .flag = true},
        {.kind = NS_BOOL_IS, .key = {"switched.on", 11}, .flag = false},
        {.kind = NS_STATE_IS, .key = {"s", 1}, .values = states, .value_count = 1},
    };
    static ns_conditions *made;
    if (!made) made = ns_conditions_new(sought, sizeof sought / sizeof *sought, begins_with_v, NULL);
    REQUIRE(made != NULL);
    return made;
}

/* --- the expected facts, from the decoder's text ----------------------------------------------------------------- */

/* The text after the next line with this beginning (including its indentation); NULL if there is none. */
static const char *after_line(const char *text, const char *line) {
    size_t size = strlen(line);
    while (text && strncmp(text, line, size) != 0) {
        text = strchr(text, '\n');
        if (text) text++;
    }
    return text ? text + size : NULL;
}

/* The value of the next attribute with this key and a value of this type. */
static const char *next_value(const char *text, const char *key, const char *type) {
    char lines[128];
    snprintf(lines, sizeof lines, "attributes {\n  key \"%s\"\n  value {\n    %s ", key, type);
    return after_line(text, lines);
}

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

static uint64_t attributes_hold(const char *text) {
    uint64_t matches = 0;
    for (const char *at = text; (at = next_value(at, "k", "string"));) {
        if (begins(at, "\"v\"\n") || begins(at, "\"value\"\n")) matches |= 1;
        if (begins(at, "\"v")) matches |= 2;
    }
    for (const char *at = text; (at = next_value(at, "number", "int"));) {
        int64_t number = strtoll(at, NULL, 10);
        if (number >= -10 && number <= 1000) matches |= 4;
    }
    for (const char *at = text; (at = next_value(at, "switched.on", "bool"));) matches |= begins(at, "true") ? 8 : 16;
    return matches;
}

static uint64_t number_of(const char *text, const char *line) {
    const char *at = after_line(text, line);
    return at ? strtoull(at, NULL, 10) : 0;
}

static void require_same(const char *text, const ns_facts *facts) {
    const char *id = after_line(text, "trace_id "), *status = after_line(text, "status {\n");
    char hex[33];
    snprintf(hex, sizeof hex, "%016" PRIx64 "%016" PRIx64, facts->trace_high, facts->trace_low);
    REQUIRE(id && begins(id, hex));
    REQUIRE((facts->matches & 0x1F) == attributes_hold(text));
    REQUIRE(facts->start == number_of(text, "start_time ") && facts->end == number_of(text, "end_time "));
    REQUIRE(facts->flags == number_of(text, "flags "));
    REQUIRE(facts->has_parent == (after_line(text, "parent_span_id ") != NULL));
    REQUIRE((facts->trace_state != NULL) == (after_line(text, "trace_state ") != NULL));
    uint64_t code = 0;
    if (status && begins(status, "  message")) status = strchr(status, '\n') + 1;
    if (status && begins(status, "  code ")) code = strtoull(status + 7, NULL, 10);
    REQUIRE(facts->status == code);
}

/* --- the target ---------------------------------------------------------------------------------------------------- */

/* A copy of the bytes that ends at the end of accessible memory. */
static const uint8_t *at_the_edge(const uint8_t *data, size_t size) {
    static uint8_t *edge;
    if (!edge) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        uint8_t *map = mmap(NULL, MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(map != MAP_FAILED && mprotect(map + MAX, page, PROT_NONE) == 0);
        edge = map + MAX;
    }
    if (size) memcpy(edge - size, data, size);
    return edge - size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > MAX) return 0;
    const uint8_t *bytes = at_the_edge(data, size);
    ns_facts facts;
    otlp_text text = {.len = 0};
    otlp_error error;
    REQUIRE(ns_facts_of_resource(bytes, size, conditions()) < 0x20);
    bool fine = ns_facts_of_span(bytes, size, conditions(), &facts);
    if (fine) REQUIRE(facts.status <= 2 && facts.matches < 0x40);
    if (otlp_decode(OTLP_SPAN, bytes, size, &text, &error) && text.len && after_line(text.chars, "trace_id ") &&
        after_line(text.chars, "span_id ")) {
        REQUIRE(fine);
        require_same(text.chars, &facts);
    }
    otlp_text_free(&text);
    return 0;
}

#ifdef NS_FUZZ_MAIN

static ns_text any_of(const char *const *texts, size_t count) {
    const char *chosen = texts[fuzz_below(count)];
    return (ns_text){.data = chosen, .length = strlen(chosen), .width = NS_TEXT_UTF8};
}

static void put_attribute(ns_buf *buf) {
    static const char *const keys[] = {"k", "number", "switched.on", "other.key.1", "j", ""};
    static const char *const values[] = {"v", "value", "", "other", "vary"};
    ns_text key = any_of(keys, 6), value = any_of(values, 5);
    ns_scalar scalar = ns_scalar_bool(fuzz_below(2));
    switch (fuzz_below(4)) {
    case 0:
        ns_otlp_key_value_text(buf, NS_TAG_SPAN_ATTRIBUTE, &key, &value);
        return;
    case 1:
        scalar = ns_scalar_int((int64_t)fuzz_below(2100) - 1000);
        break;
    case 2:
        scalar = ns_scalar_double(1);
        break;
    default:
        break;
    }
    ns_otlp_key_value_scalar(buf, NS_TAG_SPAN_ATTRIBUTE, &key, &scalar);
}

static size_t put_span(uint8_t *to) {
    static const char *const states[] = {"", "s=on", "a=b,s=on", "s=off"}, *const names[] = {"", "GET", "a longer name"};
    ns_buf buf;
    ns_buf_init(&buf, to, sizeof fuzz_buffer, 4096);
    ns_span_head head = {.has_parent = fuzz_below(2), .kind = (uint8_t)fuzz_below(6)};
    head.start_time = fuzz_below(3);
    head.end_time = fuzz_below(3);
    memset(head.trace_id, (int)fuzz_below(256), 16);
    memset(head.span_id, 1, 8);
    memset(head.parent_span_id, 2, 8);
    head.trace_state = any_of(states, 4);
    head.name = any_of(names, 3);
    ns_otlp_span_begin(&buf, &head);
    for (size_t attributes = fuzz_below(6); attributes > 0; attributes--) put_attribute(&buf);
    ns_otlp_span_attributes_end(&buf, (uint32_t)fuzz_below(2) * 300);
    ns_otlp_span_events_end(&buf, (uint32_t)fuzz_below(2));
    ns_span_tail tail = {.flags = (uint32_t)fuzz_below(4) << 8, .has_status = fuzz_below(2)};
    tail.status_code = (uint8_t)fuzz_below(3);
    tail.status_message = any_of(names, 3);
    ns_otlp_span_end(&buf, &tail);
    return buf.len;
}

static size_t make(void) {
    size_t size = put_span(fuzz_buffer);
    for (size_t left = fuzz_below(4); left > 0; left--) fuzz_buffer[fuzz_below(size)] = (uint8_t)fuzz_below(256);
    return fuzz_below(8) ? size : fuzz_below(size + 1);
}

int main(int argc, char **argv) { return fuzz_main(argc, argv, 100, make); }

#endif
