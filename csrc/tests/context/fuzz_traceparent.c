/* Fuzzes the reading of traceparent against a second reader, written as a walk over the grammar, byte by byte. */
#include "fuzz_main.h"
#include "context/ns_traceparent.h"

typedef struct walk {
    const uint8_t *at, *end;
    bool legal;
} walk;

static uint64_t digits(walk *w, int count) {
    static const char alphabet[] = "0123456789abcdef";
    uint64_t number = 0;
    for (int i = 0; i < count; i++) {
        const char *found = w->at < w->end && *w->at ? strchr(alphabet, *w->at) : NULL;
        if (!found) {
            w->legal = false;
            return 0;
        }
        number = number * 16 + (uint64_t)(found - alphabet);
        w->at++;
    }
    return number;
}

static void dash(walk *w) {
    if (w->at < w->end && *w->at == '-') w->at++;
    else w->legal = false;
}

static void blanks(walk *w) {
    while (w->at < w->end && (*w->at == ' ' || *w->at == '\t')) w->at++;
}

static bool at_end(const walk *w) { return w->at == w->end || (w->at + 1 == w->end && *w->at == '\n'); }

static bool walks(const uint8_t *data, size_t size, ns_traceparent *parsed) {
    walk w = {data, data + size, size <= 512};
    blanks(&w);
    uint64_t version = digits(&w, 2);
    dash(&w);
    parsed->trace_id_high = digits(&w, 16);
    parsed->trace_id_low = digits(&w, 16);
    dash(&w);
    parsed->span_id = digits(&w, 16);
    dash(&w);
    parsed->flags = (uint8_t)digits(&w, 2);
    if (w.at < w.end && *w.at == '-' && version != 0) {
        while (w.at < w.end && *w.at != '\n') w.at++;
    }
    blanks(&w);
    return w.legal && at_end(&w) && version != 255 && (parsed->trace_id_high || parsed->trace_id_low) && parsed->span_id;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *exact = fuzz_copy(data, size);
    ns_traceparent expected = {0}, parsed = {0}, again = {0};
    bool accepted = ns_traceparent_read((const char *)exact, size, &parsed);
    REQUIRE(accepted == walks(exact, size, &expected));
    free(exact);
    if (!accepted) return 0;
    REQUIRE(parsed.trace_id_high == expected.trace_id_high && parsed.trace_id_low == expected.trace_id_low);
    REQUIRE(parsed.span_id == expected.span_id && parsed.flags == expected.flags);
    char text[NS_TRACEPARENT_LENGTH];
    ns_traceparent_write(text, parsed.trace_id_high, parsed.trace_id_low, parsed.span_id, parsed.flags);
    REQUIRE(ns_traceparent_read(text, sizeof text, &again));
    REQUIRE(again.trace_id_high == parsed.trace_id_high && again.trace_id_low == parsed.trace_id_low);
    REQUIRE(again.span_id == parsed.span_id && again.flags == parsed.flags);
    return 0;
}

#ifdef NS_FUZZ_MAIN

static size_t make(void) {
    static const char *const seeds[] = {
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00 ",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03-later",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-0000000000000001-01",
        "00-00000000000000000000000000000001-0000000000000000-01",
    };
    const char *seed = seeds[fuzz_below(sizeof seeds / sizeof *seeds)];
    size_t size = strlen(seed);
    memcpy(fuzz_buffer, seed, size);
    for (size_t left = fuzz_below(4); left > 0; left--) size = fuzz_mutate(size, 0, "- \t\n0f1agFx");
    return size;
}

int main(int argc, char **argv) { return fuzz_main(argc, argv, 100, make); }

#endif
