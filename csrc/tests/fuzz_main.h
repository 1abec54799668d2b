/* Shared by the fuzz targets: inputs in allocations of their own, and a main function for runs without libFuzzer
 * (-DNS_FUZZ_MAIN). It runs the given files and then a reproducible series of generated inputs. */
#ifndef NS_FUZZ_MAIN_H
#define NS_FUZZ_MAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "ns_require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An allocation of exactly this size, so that a sanitizer detects an access past its end. */
static inline void *fuzz_block(size_t size) {
    void *made = malloc(size ? size : 1);
    REQUIRE(made != NULL);
    return made;
}

static inline void *fuzz_copy(const void *bytes, size_t size) {
    void *copy = fuzz_block(size);
    if (size) memcpy(copy, bytes, size);
    return copy;
}

#ifdef NS_FUZZ_MAIN

#ifndef NS_FUZZ_MAIN_INPUTS
#define NS_FUZZ_MAIN_INPUTS 1000
#endif

enum { FUZZ_MAX = 1 << 16 };

static uint8_t fuzz_buffer[FUZZ_MAX];

static inline size_t fuzz_below(size_t limit) {
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state >> 33) % limit;
}

/* Mutates the buffer at one place after the first `kept` bytes: replaces, inserts or removes a byte (a random one, or one
 * with a meaning for the target), or doubles a run. Returns the new size. */
static inline size_t fuzz_mutate(size_t size, size_t kept, const char *meaning) {
    size_t where = kept + fuzz_below(size - kept + 1), left = size - where, run = left ? fuzz_below(left) : 0;
    uint8_t byte = fuzz_below(4) ? (uint8_t)meaning[fuzz_below(strlen(meaning))] : (uint8_t)fuzz_below(256);
    uint8_t *at = fuzz_buffer + where;
    switch (fuzz_below(4)) {
    case 0:
        if (left) *at = byte;
        return size;
    case 1:
        if (left == 0) return size;
        memmove(at, at + 1, left - 1);
        return size - 1;
    case 2:
        if (size + run > FUZZ_MAX / 2) return size;
        memmove(at + run, at, left);
        return size + run;
    default:
        memmove(at + 1, at, left);
        *at = byte;
        return size + 1;
    }
}

/* Runs the files, then NS_FUZZ_MAIN_INPUTS * `factor` inputs. `make` fills the buffer and returns the size of an input. */
static inline int fuzz_main(int argc, char **argv, size_t factor, size_t (*make)(void)) {
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        REQUIRE(file != NULL);
        size_t size = fread(fuzz_buffer, 1, sizeof fuzz_buffer, file);
        fclose(file);
        LLVMFuzzerTestOneInput(fuzz_buffer, size);
    }
    size_t inputs = factor * NS_FUZZ_MAIN_INPUTS;
    for (size_t i = 0; i < inputs; i++) LLVMFuzzerTestOneInput(fuzz_buffer, make());
    const char *name = strrchr(argv[0], '/');
    printf("%s: ok, %d files and %zu inputs of its own\n", name ? name + 1 : argv[0], argc - 1, inputs);
    return 0;
}

#endif
#endif
