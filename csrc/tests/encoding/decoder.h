/* An independent reader of OTLP trace messages: shares nothing with the encoder, not even the wire format's header.
 *
 * Strict, because a tolerant reader hides an encoder's faults. Refused: unknown fields, fields out of order or repeated
 * where they may not be, varints and lengths longer than they need be, values outside their type, defaults that proto3
 * leaves out, ids of the wrong length, invalid UTF-8, two members of a oneof, bytes left over.
 *
 * What was read becomes a text, one line a field, which a test compares with the text that it expects:
 *
 *      name "GET"
 *      attributes {
 *        key "size"
 *        value {
 *          int -5
 *        }
 *      }
 */
#ifndef OTLP_DECODER_H
#define OTLP_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- the text, written by the decoder and by those who say what they expect of it ------------------------------ */

typedef struct otlp_text {
    char *chars; /* ends in a zero byte, once anything was written */
    size_t len;
    size_t cap;
    unsigned depth;
} otlp_text;

void otlp_text_free(otlp_text *text);
bool otlp_text_equal(const otlp_text *a, const otlp_text *b);
/* Shows on stderr the first line in which the two differ. */
void otlp_text_explain(const otlp_text *got, const otlp_text *expected);

/* Appends what another text holds, as it stands: its lines must be indented for where they go. */
void otlp_text_append(otlp_text *text, const otlp_text *lines);

void otlp_text_open(otlp_text *text, const char *name);
void otlp_text_close(otlp_text *text);
void otlp_text_bool(otlp_text *text, const char *name, bool value);
void otlp_text_int(otlp_text *text, const char *name, int64_t value);
void otlp_text_uint(otlp_text *text, const char *name, uint64_t value);
/* By its bits: a NaN or a negative zero must compare as what it is. */
void otlp_text_double(otlp_text *text, const char *name, double value);
/* Printable ASCII in quotes, all else as \xNN. */
void otlp_text_string(otlp_text *text, const char *name, const void *chars, size_t size);
void otlp_text_bytes(otlp_text *text, const char *name, const void *bytes, size_t size);

/* --- the decoder ----------------------------------------------------------------------------------------------- */

typedef enum otlp_message {
    OTLP_REQUEST,
    OTLP_RESOURCE_SPANS,
    OTLP_SCOPE_SPANS,
    OTLP_RESOURCE,
    OTLP_SCOPE,
    OTLP_SPAN,
    OTLP_EVENT,
    OTLP_LINK,
    OTLP_STATUS,
    OTLP_KEY_VALUE,
    OTLP_ANY_VALUE,
    OTLP_ARRAY,
    OTLP_KVLIST,
} otlp_message;

typedef struct otlp_error {
    size_t offset;
    const char *reason;
} otlp_error;

/* Reads one message and appends its text. False, with *error, for the first fault. */
bool otlp_decode(otlp_message kind, const uint8_t *bytes, size_t size, otlp_text *text, otlp_error *error);

bool otlp_is_utf8(const uint8_t *bytes, size_t size);

#endif
