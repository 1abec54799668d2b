/* Reads a fuzzer's input as a program of encoder calls. Each call runs twice: in the encoder, into a buffer, and in a simple
 * model, into the text that the decoder must find in that buffer. */
#ifndef NS_FUZZ_PROGRAM_H
#define NS_FUZZ_PROGRAM_H

#include "encoding/decoder.h"
#include "fuzz_main.h"
#include "encoding/ns_otlp.h"

/* Endless: zeros follow the last byte, and zero always selects the smallest action. */
typedef struct fuzz_input {
    const uint8_t *bytes;
    size_t left;
    bool long_text_used; /* one lengthens all messages around it, at the cost of a hundred short ones */
} fuzz_input;

uint8_t fuzz_byte(fuzz_input *in);
uint64_t fuzz_number(fuzz_input *in); /* of any magnitude, boundary values more often */

/* Outputs of both runs. */
typedef struct fuzz_pair {
    ns_buf buf;
    otlp_text text;
    size_t replaced;          /* returned by the encoder */
    size_t expected_replaced; /* counted by the model */
    bool roomy;               /* the limit is out of reach: no call may fail */
} fuzz_pair;

typedef struct fuzz_savepoint {
    ns_savepoint buf;
    size_t len, replaced, expected_replaced;
    unsigned depth;
} fuzz_savepoint;

fuzz_savepoint fuzz_save(const fuzz_pair *pair);
void fuzz_rewind(fuzz_pair *pair, fuzz_savepoint point);
/* Keeps the output since the savepoint, or discards it if it did not fit or the input says so. */
bool fuzz_settle(fuzz_input *in, fuzz_pair *pair, fuzz_savepoint point);

/* A text of any width and its expected UTF-8. */
typedef struct fuzz_text {
    ns_text text;
    uint8_t *utf8;
    size_t utf8_size;
    size_t replaced;
} fuzz_text;

fuzz_text fuzz_text_read(fuzz_input *in);
void fuzz_text_free(fuzz_text *text);
/* Appends the expected field unless the text is empty, as in proto3, and counts the replaced code points. */
void fuzz_text_say(fuzz_pair *pair, const char *name, const fuzz_text *text);

/* A list of KeyValues. Returns the number of dropped pairs. */
uint32_t fuzz_attributes(fuzz_input *in, fuzz_pair *pair, uint8_t tag, const char *name, unsigned depth);

#endif
