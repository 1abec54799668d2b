/* A fuzzer's input read as a program of encoder calls, each run twice: by the encoder into a buffer, and by an obvious
 * model into the text that the decoder must find in that buffer. */
#ifndef NS_FUZZ_PROGRAM_H
#define NS_FUZZ_PROGRAM_H

#include "encoding/decoder.h"
#include "fuzz_main.h"
#include "encoding/ns_otlp.h"

/* Endless: zeros follow the last byte, and zero always means the least of what could be done. */
typedef struct fuzz_input {
    const uint8_t *bytes;
    size_t left;
    bool long_text_used; /* one is enough to lengthen whatever is around it, and takes the time of a hundred short ones */
} fuzz_input;

uint8_t fuzz_byte(fuzz_input *in);
uint64_t fuzz_number(fuzz_input *in); /* of any magnitude, boundaries more often than others */

/* Where both stand. */
typedef struct fuzz_pair {
    ns_buf buf;
    otlp_text text;
    size_t replaced;          /* as the encoder returned it */
    size_t expected_replaced; /* as the model counted it */
    bool roomy;               /* the limit is out of reach: nothing may fail */
} fuzz_pair;

typedef struct fuzz_savepoint {
    ns_savepoint buf;
    size_t len, replaced, expected_replaced;
    unsigned depth;
} fuzz_savepoint;

fuzz_savepoint fuzz_save(const fuzz_pair *pair);
void fuzz_rewind(fuzz_pair *pair, fuzz_savepoint point);
/* Keeps what was written since, or takes it back if it did not fit or the input says so. */
bool fuzz_settle(fuzz_input *in, fuzz_pair *pair, fuzz_savepoint point);

/* A text of any width, and the UTF-8 that it should become. */
typedef struct fuzz_text {
    ns_text text;
    uint8_t *utf8;
    size_t utf8_size;
    size_t replaced;
} fuzz_text;

fuzz_text fuzz_text_read(fuzz_input *in);
void fuzz_text_free(fuzz_text *text);
/* Says the field if a text is there, as proto3 does, and counts what it cost. */
void fuzz_text_say(fuzz_pair *pair, const char *name, const fuzz_text *text);

/* A list of KeyValues; returns how many were given up. */
uint32_t fuzz_attributes(fuzz_input *in, fuzz_pair *pair, uint8_t tag, const char *name, unsigned depth);

#endif
