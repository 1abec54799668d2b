/* The `ot` member of tracestate once more, for the fuzz targets: by copying and comparing whole strings, without a thought
 * of speed; shares nothing with ns_ot.c. */
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
    uint64_t threshold, randomness; /* NS_OT_NONE where absent */
} ot_said;

/* The members of a header without the blanks around them, the empty ones left out. */
size_t ot_split_header(const char *header, size_t size, ot_part *members);

/* Where the first `ot` stands; `count` if there is none. */
size_t ot_first(const ot_part *members, size_t count);

/* The items of a legal value; 0 for any other. */
size_t ot_split_value(const char *value, size_t size, ot_part *items);

bool ot_has_key(const ot_part *items, size_t count, const char *two_letters);

ot_said ot_understand(const ot_part *items, size_t count);

/* The value that is to be written; false if it would be too long. */
bool ot_rewrite(const ot_part *items, size_t count, uint64_t threshold, uint64_t randomness, ot_text *value);

/* The header with that value in front, or without `ot` if the value is empty. */
void ot_rewrite_header(const ot_part *members, size_t count, const ot_text *value, ot_text *header);

/* What a fuzzer's first byte asks for; the threshold comes from the whole input. */
typedef struct ot_question {
    uint64_t threshold, randomness;
    int action;
} ot_question;

ot_question ot_ask(const uint8_t *data, size_t size);

#endif
