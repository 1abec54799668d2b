/* An independent decoder of OTLP trace messages: it shares nothing with the encoder, not even the header of the wire format.
 *
 * It is strict, because a tolerant decoder hides faults of the encoder. It rejects unknown fields, fields out of order or
 * repeated where they may not be, varints and lengths longer than necessary, values outside their type, defaults that proto3
 * omits, ids of the wrong length, invalid UTF-8, two members of a oneof, and trailing bytes.
 *
 * The result is a text with one line per field, which a test compares with the expected text:
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

/* --- the text, written by the decoder and by the tests as the expected value -------------------------------------- */

typedef struct otlp_text {
    char *chars; /* terminated by a zero byte once anything was written */
    size_t len;
    size_t cap;
    unsigned depth;
} otlp_text;

void otlp_text_free(otlp_text *text);
bool otlp_text_equal(const otlp_text *a, const otlp_text *b);
/* Prints the first differing line to stderr. */
void otlp_text_explain(const otlp_text *got, const otlp_text *expected);

/* Appends another text unchanged; its lines must already have the right indentation. */
void otlp_text_append(otlp_text *text, const otlp_text *lines);

void otlp_text_open(otlp_text *text, const char *name);
void otlp_text_close(otlp_text *text);
void otlp_text_bool(otlp_text *text, const char *name, bool value);
void otlp_text_int(otlp_text *text, const char *name, int64_t value);
void otlp_text_uint(otlp_text *text, const char *name, uint64_t value);
/* Written as bits, so that NaN and negative zero compare exactly. */
void otlp_text_double(otlp_text *text, const char *name, double value);
/* Printable ASCII in quotes, all other bytes as \xNN. */
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

/* Decodes one message and appends its text. Returns false and sets *error at the first fault. */
bool otlp_decode(otlp_message kind, const uint8_t *bytes, size_t size, otlp_text *text, otlp_error *error);

bool otlp_is_utf8(const uint8_t *bytes, size_t size);

#endif
