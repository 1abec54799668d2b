/* A second implementation of the `ot` member of tracestate, for the fuzz targets. It copies and compares whole strings,
 * ignores speed and shares nothing with ns_ot.c. */
#ifndef OT_MODEL_H
#define OT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OT_MAX = 4096, OT_MAX_PARTS = OT_MAX + 1 };

typedef struct ot_text {
    size_t size;
    char chars[2 * OT_MAX];
} ot_text;

typedef struct ot_part {
    const char *start;
    size_t size;
} ot_part;

typedef struct ot_said {
    uint64_t threshold, randomness; /* NS_OT_NONE if absent */
} ot_said;

/* Members of a header, without surrounding blanks and empty members. */
size_t ot_split_header(const char *header, size_t size, ot_part *members);

/* Index of the first `ot`; `count` if there is none. */
size_t ot_first(const ot_part *members, size_t count);

/* Items of a legal value; 0 for any other value. */
size_t ot_split_value(const char *value, size_t size, ot_part *items);

bool ot_has_key(const ot_part *items, size_t count, const char *two_letters);

ot_said ot_understand(const ot_part *items, size_t count);

/* The expected value. Returns false if it would be too long. */
bool ot_rewrite(const ot_part *items, size_t count, uint64_t threshold, uint64_t randomness, ot_text *value);

/* The header with that value in front, or without `ot` if the value is empty. */
void ot_rewrite_header(const ot_part *members, size_t count, const ot_text *value, ot_text *header);

/* The request selected by a fuzzer's first byte; the threshold depends on the whole input. */
typedef struct ot_request {
    uint64_t threshold, randomness;
    int action;
} ot_request;

ot_request ot_request_of(const uint8_t *data, size_t size);

#endif
