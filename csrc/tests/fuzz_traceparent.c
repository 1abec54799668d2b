/* Fuzzes the reading of traceparent against a second reader, written as a walk over the grammar, byte by byte.
 *
 * For libFuzzer as it is; with -DNS_FUZZ_MAIN a program that runs the files it is given and then as many mutations of
 * a legal header as NS_FUZZ_MAIN_INPUTS says. */
#include <stdlib.h>
#include <string.h>

#include "ns_require.h"
#include "ns_traceparent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- the second reader --------------------------------------------------------------------------------------------- */

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
    /* A block of its own, so that a sanitizer sees a read past the end. */
    uint8_t *exact = malloc(size ? size : 1);
    REQUIRE(exact != NULL);
    if (size) memcpy(exact, data, size);
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
#include "fuzz_main.h"

static uint64_t state = 1;

static size_t below(size_t limit) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state >> 33) % limit;
}

/* Replaces, inserts or removes a byte: any byte, or one that means something here. */
static size_t mutate(uint8_t *text, size_t size) {
    static const char meaning[] = "- \t\n0f1agFx";
    size_t where = below(size + 1);
    uint8_t byte = below(2) ? (uint8_t)below(256) : (uint8_t)meaning[below(sizeof meaning - 1)];
    switch (below(3)) {
    case 0:
        if (where < size) text[where] = byte;
        return size;
    case 1:
        memmove(text + where + 1, text + where, size - where);
        text[where] = byte;
        return size + 1;
    default:
        if (where == size) return size;
        memmove(text + where, text + where + 1, size - where - 1);
        return size - 1;
    }
}

int main(int argc, char **argv) {
    static const char *const seeds[] = {
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00 ",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03-later",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-0000000000000001-01",
        "00-00000000000000000000000000000001-0000000000000000-01",
    };
    fuzz_run_files(argc, argv);
    for (int i = 0; i < NS_FUZZ_MAIN_INPUTS * 100; i++) {
        const char *seed = seeds[below(sizeof seeds / sizeof *seeds)];
        size_t size = strlen(seed);
        memcpy(fuzz_buffer, seed, size);
        for (size_t mutations = below(4); mutations > 0; mutations--) size = mutate(fuzz_buffer, size);
        LLVMFuzzerTestOneInput(fuzz_buffer, size);
    }
    printf("fuzz_traceparent: ok, %d files and %d mutated headers\n", argc - 1, NS_FUZZ_MAIN_INPUTS * 100);
    return 0;
}
#endif
