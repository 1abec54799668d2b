/* Fuzzes the patching of `th` in encoded spans. An input is one byte that selects the request, then the bytes of a span,
 * well-formed or not, or of a tracestate header for a generated span. The expected output comes from a second reader of the
 * span's first fields and a second implementation of `ot` (ot_model.h). */
#include "fuzz_main.h"
#include "sampling/ns_ot.h"
#include "tail/ns_patch_threshold.h"
#include "sampling/ot_model.h"

enum { AROUND = 64 /* more than the fields around a header */ };

static ot_part items[OT_MAX_PARTS], members[OT_MAX_PARTS];
static ot_text wanted_value, wanted_header;

/* --- spans --------------------------------------------------------------------------------------------------------- */

typedef struct bytes {
    size_t size;
    uint8_t of[2 * OT_MAX + AROUND];
} bytes;

static void add(bytes *to, const void *from, size_t size) {
    REQUIRE(to->size + size <= sizeof to->of);
    if (size) memcpy(to->of + to->size, from, size);
    to->size += size;
}

static void add_field(bytes *to, uint8_t tag, const void *from, size_t size) {
    add(to, &tag, 1);
    size_t left = size;
    for (; left >= 0x80; left >>= 7) add(to, &(uint8_t){(uint8_t)(left | 0x80)}, 1);
    add(to, &(uint8_t){(uint8_t)left}, 1);
    add(to, from, size);
}

static void span_around(const char *header, size_t size, bool has_parent, bytes *span) {
    span->size = 0;
    add_field(span, 0x0A, "0123456789abcdef", 16);
    add_field(span, 0x12, "01234567", 8);
    if (size) add_field(span, 0x1A, header, size);
    if (has_parent) add_field(span, 0x22, "76543210", 8);
    add_field(span, 0x2A, "name", 4);
}

/* Reads a length-delimited field at `at` and moves it past the field. Returns false if the field does not end within the
 * span. A length may take ten bytes; of the tenth only the lowest bit counts. */
static bool read_field(const uint8_t *span, size_t size, size_t *at, ot_part *found) {
    uint64_t length = 0;
    size_t i = 0;
    for (size_t from = *at + 1;; i++) {
        if (i == 10 || from + i == size) return false;
        uint64_t group = span[from + i] & 0x7F;
        for (size_t bit = 0; bit < 7 && 7 * i + bit < 64; bit++) length |= (group >> bit & 1) << (7 * i + bit);
        if (!(span[from + i] & 0x80)) break;
    }
    size_t start = *at + 1 + i + 1;
    if (length > size - start) return false;
    *found = (ot_part){(const char *)span + start, (size_t)length};
    *at = start + (size_t)length;
    return true;
}

/* --- the expected output ----------------------------------------------------------------------------------------- */

/* Whether the header must change; if so, to wanted_header. */
static bool wants_change(ot_part header, const ot_request *asked, bool *refused) {
    size_t count = ot_split_header(header.start, header.size, members), first = ot_first(members, count);
    ot_part old = first < count ? (ot_part){members[first].start + 3, members[first].size - 3} : (ot_part){NULL, 0};
    size_t item_count = ot_split_value(old.start, old.size, items);
    uint64_t own = ot_understand(items, item_count).threshold;
    bool raises = asked->action == NS_TH_RAISE;
    if (raises && own != NS_OT_NONE && own >= asked->threshold) return false;
    if (!raises && !ot_has_key(items, item_count, "th")) return false;
    *refused = !ot_rewrite(items, item_count, raises ? asked->threshold : NS_OT_NONE, NS_OT_NONE, &wanted_value);
    if (*refused) return false;
    ot_rewrite_header(members, count, &wanted_value, &wanted_header);
    return true;
}

/* Returns true if the change must be refused. */
static bool expect(const uint8_t *span, size_t size, const ot_request *asked, bytes *wanted) {
    size_t at = 0, field;
    ot_part header = {NULL, 0};
    bool refused = false;
    wanted->size = 0;
    add(wanted, span, size);
    if (asked->action == NS_TH_LEAVE) return false;
    while (at < size && (span[at] == 0x0A || span[at] == 0x12))
        if (!read_field(span, size, &at, &header)) return true;
    field = at;
    header = (ot_part){NULL, 0};
    if (at < size && span[at] == 0x1A && !read_field(span, size, &at, &header)) return true;
    if (!wants_change(header, asked, &refused)) return refused;
    wanted->size = 0;
    add(wanted, span, field);
    if (wanted_header.size) add_field(wanted, 0x1A, wanted_header.chars, wanted_header.size);
    add(wanted, span + at, size - at);
    return false;
}

/* --- the target ---------------------------------------------------------------------------------------------------- */

static void check(const uint8_t *data, size_t size, const ot_request *asked) {
    static bytes wanted;
    uint8_t *span = fuzz_copy(data, size), *out = fuzz_block(size + NS_PATCH_THRESHOLD_ROOM);
    uint64_t unchanged = 0;
    bool refused = expect(span, size, asked, &wanted);
    size_t got = ns_patch_threshold_span(span, size, asked->action, asked->threshold, out, &unchanged);
    REQUIRE(unchanged == refused && got == wanted.size && got <= size + NS_PATCH_THRESHOLD_ROOM);
    REQUIRE(got == 0 || memcmp(out, wanted.of, got) == 0);
    free(span);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bytes span;
    if (size == 0 || size > OT_MAX) return 0;
    ot_request asked = ot_request_of(data, size);
    check(data + 1, size - 1, &asked);
    span_around((const char *)data + 1, size - 1, (data[0] & 8) != 0, &span);
    check(span.of, span.size, &asked);
    return 0;
}

#ifdef NS_FUZZ_MAIN

static size_t make(void) {
    static const char *const headers[] = {"", "ot=th:8", "a=1,ot=rv:6e6d1a75832a2f;x1:Y_.-;th:0,b=2", "a=1,b=2"};
    static bytes span;
    const char *header = headers[fuzz_below(sizeof headers / sizeof *headers)];
    size_t size = 1 + strlen(header);
    fuzz_buffer[0] = (uint8_t)fuzz_below(256);
    memcpy(fuzz_buffer + 1, header, size - 1);
    if (fuzz_below(2)) {
        span_around(header, size - 1, fuzz_below(2), &span);
        size = 1 + span.size;
        memcpy(fuzz_buffer + 1, span.of, size - 1);
    }
    for (size_t left = fuzz_below(6); left > 0; left--) size = fuzz_mutate(size, 1, "\x0a\x12\x1a\xff,;:=\x01\x80oth8");
    return size;
}

int main(int argc, char **argv) { return fuzz_main(argc, argv, 100, make); }

#endif
