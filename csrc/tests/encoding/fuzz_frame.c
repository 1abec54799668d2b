/* Fuzzes framing: records of arbitrary bytes from sources that share resources and scopes as the input chooses. The body is
 * compared with one built from the inside out, and framed again in halves, as for a request that is rejected for its
 * size. */
#include "fuzz_main.h"
#include "encoding/ns_frame.h"

enum { MAX_RECORDS = 32, SOURCES = 8, MAX_BODY = 1 << 16 };

/* --- a batch ------------------------------------------------------------------------------------------------------- */

typedef struct batch {
    ns_source described[SOURCES];
    const ns_source *sources[SOURCES];
    ns_record records[MAX_RECORDS];
    size_t count;
} batch;

typedef struct input {
    const uint8_t *bytes;
    size_t left;
    bool long_record_used;
} input;

static uint8_t next(input *in) {
    if (in->left == 0) return 0;
    in->left--;
    return *in->bytes++;
}

/* Bytes of the input, fewer at its end. */
static ns_slice take(input *in, size_t size) {
    ns_slice taken = {in->bytes, size < in->left ? size : in->left};
    in->bytes += taken.size;
    in->left -= taken.size;
    return taken;
}

/* Some records are long, so that the lengths around them grow by a byte. One of a batch is so long that they grow by two. */
static ns_slice take_record(input *in, uint8_t choice) {
    static const uint8_t longer[16600];
    if (choice < 0xF0) return take(in, choice & 15);
    if (choice < 0xFC || in->long_record_used) return (ns_slice){longer, 100u + next(in)};
    in->long_record_used = true;
    return (ns_slice){longer, 16000u + 2u * next(in)};
}

static void read_batch(input *in, batch *read) {
    for (size_t i = 0; i < SOURCES; i++) {
        uint8_t ids = next(in), sizes = next(in);
        ns_source *source = &read->described[i];
        *source = (ns_source){.resource_id = ids & 15, .scope_id = ids >> 4};
        /* Equal ids have equal descriptions, also for the resource alone. */
        for (size_t earlier = 0; earlier < i; earlier++) {
            const ns_source *other = &read->described[earlier];
            if (other->resource_id != source->resource_id) continue;
            source->resource_head = other->resource_head;
            source->resource_tail = other->resource_tail;
            if (other->scope_id != source->scope_id) continue;
            source->scope_head = other->scope_head;
            source->scope_tail = other->scope_tail;
        }
        if (!source->resource_head.data) {
            source->resource_head = take(in, sizes & 3);
            source->resource_tail = take(in, sizes >> 2 & 3);
        }
        if (!source->scope_head.data) {
            source->scope_head = take(in, sizes >> 4 & 3);
            source->scope_tail = take(in, sizes >> 6);
        }
        read->sources[i] = source;
    }
    read->count = next(in) % (MAX_RECORDS + 1);
    for (size_t i = 0; i < read->count; i++) {
        uint8_t source = next(in) % SOURCES;
        ns_slice bytes = take_record(in, next(in));
        read->records[i] = (ns_record){fuzz_copy(bytes.data, bytes.size), (uint32_t)bytes.size, source};
    }
}

/* --- the body, from the inside out --------------------------------------------------------------------------------- */

typedef struct text {
    size_t size;
    uint8_t bytes[MAX_BODY];
} text;

static void add(text *to, const void *bytes, size_t size) {
    REQUIRE(to->size + size <= sizeof to->bytes);
    if (size) memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

static void add_field(text *to, uint8_t tag, const void *bytes, size_t size) {
    uint8_t head[11] = {tag};
    size_t length = 1;
    for (size_t left = size;; left >>= 7) {
        head[length++] = (uint8_t)((left & 0x7F) | (left > 0x7F ? 0x80 : 0));
        if (left <= 0x7F) break;
    }
    add(to, head, length);
    add(to, bytes, size);
}

static void expect(const batch *of, const ns_record *records, size_t count, text *body, uint32_t *order) {
    static text resource_spans, scope_spans;
    bool done[MAX_RECORDS] = {false};
    body->size = 0;
    for (size_t r = 0; r < count; r++) {
        if (done[r]) continue;
        const ns_source *resource = of->sources[records[r].source];
        resource_spans.size = 0;
        add(&resource_spans, resource->resource_head.data, resource->resource_head.size);
        for (size_t s = r; s < count; s++) {
            const ns_source *scope = of->sources[records[s].source];
            if (done[s] || scope->resource_id != resource->resource_id) continue;
            scope_spans.size = 0;
            add(&scope_spans, scope->scope_head.data, scope->scope_head.size);
            for (size_t i = s; i < count; i++) {
                const ns_source *source = of->sources[records[i].source];
                if (source->resource_id != scope->resource_id || source->scope_id != scope->scope_id) continue;
                add_field(&scope_spans, 0x12, records[i].data, records[i].size);
                done[i] = true;
                *order++ = (uint32_t)i;
            }
            add(&scope_spans, scope->scope_tail.data, scope->scope_tail.size);
            add_field(&resource_spans, 0x12, scope_spans.bytes, scope_spans.size);
        }
        add(&resource_spans, resource->resource_tail.data, resource->resource_tail.size);
        add_field(body, 0x0A, resource_spans.bytes, resource_spans.size);
    }
}

/* --- the target ---------------------------------------------------------------------------------------------------- */

static void check(const batch *of, const ns_record *records, size_t count, bool in_place) {
    static text expected;
    uint8_t *body;
    size_t size;
    uint32_t order[MAX_RECORDS];
    ns_record given[MAX_RECORDS], apart[MAX_RECORDS];
    ns_record *framed = in_place ? given : apart;
    const uint8_t *last;
    memcpy(given, records, count * sizeof *records);
    expect(of, records, count, &expected, order);
    REQUIRE(ns_frame(given, count, of->sources, &body, &size, framed) == 0);
    REQUIRE(size == expected.size && (size == 0 || memcmp(body, expected.bytes, size) == 0));
    last = body;
    for (size_t i = 0; i < count; i++) {
        const ns_record *original = &records[order[i]];
        REQUIRE(framed[i].source == original->source && framed[i].size == original->size);
        REQUIRE(framed[i].data > last && framed[i].data + framed[i].size <= body + size);
        REQUIRE(original->size == 0 || memcmp(framed[i].data, original->data, original->size) == 0);
        last = framed[i].data + framed[i].size;
    }
    if (count > 1) {
        check(of, framed, count / 2, in_place);
        check(of, framed + count / 2, count - count / 2, !in_place);
    }
    ns_frame_free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {.bytes = data, .left = size};
    static batch read;
    read_batch(&in, &read);
    check(&read, read.records, read.count, false);
    for (size_t i = 0; i < read.count; i++) free((void *)read.records[i].data);
    return 0;
}

#ifdef NS_FUZZ_MAIN

static size_t make(void) {
    size_t size = fuzz_below(200);
    for (size_t i = 0; i < size; i++) fuzz_buffer[i] = (uint8_t)fuzz_below(256);
    return size;
}

int main(int argc, char **argv) { return fuzz_main(argc, argv, 10, make); }

#endif
