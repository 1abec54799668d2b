/* What a fuzz target needs to be a program without libFuzzer (-DNS_FUZZ_MAIN): a buffer for its inputs, a measure of how many
 * to make (NS_FUZZ_MAIN_INPUTS), and the running of the files that it is given. */
#ifndef NS_FUZZ_MAIN_H
#define NS_FUZZ_MAIN_H

#include <stdint.h>

#include "ns_require.h"

#ifndef NS_FUZZ_MAIN_INPUTS
#define NS_FUZZ_MAIN_INPUTS 1000
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t fuzz_buffer[1 << 16];

static void fuzz_run_files(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        REQUIRE(file != NULL);
        size_t size = fread(fuzz_buffer, 1, sizeof fuzz_buffer, file);
        fclose(file);
        LLVMFuzzerTestOneInput(fuzz_buffer, size);
    }
}

#endif
