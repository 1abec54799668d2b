/* Encoded spans assembled byte by byte, without the encoder. */
#ifndef SPAN_BYTES_H
#define SPAN_BYTES_H

#include <stdint.h>
#include <string.h>

typedef struct bytes {
    uint8_t data[4096];
    size_t size;
} bytes;

static inline void put(bytes *to, const void *from, size_t size) {
    memcpy(to->data + to->size, from, size);
    to->size += size;
}

static inline void put_byte(bytes *to, int byte) { to->data[to->size++] = (uint8_t)byte; }

static inline void put_field(bytes *to, int tag, const void *from, size_t size) {
    put_byte(to, tag);
    if (size >= 0x80) put_byte(to, 0x80 | (int)(size & 0x7F));
    put_byte(to, (int)(size >= 0x80 ? size >> 7 : size));
    put(to, from, size);
}

static inline void put_ids(bytes *to) {
    put_field(to, 0x0A, "\x01\x02\x03\x04\x05\x06\x07\x08\x11\x12\x13\x14\x15\x16\x17\x18", 16);
    put_field(to, 0x12, "\xA1\xA2\xA3\xA4\xA5\xA6\xA7\xA8", 8);
}

static inline void put_attribute(bytes *to, int tag, const char *key, const void *value, size_t size) {
    bytes pair = {.size = 0};
    if (*key) put_field(&pair, 0x0A, key, strlen(key));
    put_field(&pair, 0x12, value, size);
    put_field(to, tag, pair.data, pair.size);
}

static inline void put_text(bytes *to, int tag, const char *key, const char *value) {
    bytes any = {.size = 0};
    put_field(&any, 0x0A, value, strlen(value));
    put_attribute(to, tag, key, any.data, any.size);
}

/* Every field that a span can have. */
static inline void put_all_fields(bytes *span) {
    put_ids(span);
    put_field(span, 0x1A, "a=b", 3);
    put_field(span, 0x22, "\xB1\xB2\xB3\xB4\xB5\xB6\xB7\xB8", 8);
    put_field(span, 0x2A, "GET /", 5);
    put(span, "\x30\x02", 2);
    put(span, "\x39\x01\x00\x00\x00\x00\x00\x00\x80", 9);
    put(span, "\x41\x02\x00\x00\x00\x00\x00\x00\x80", 9);
    put_text(span, 0x4A, "k", "v");
    put(span, "\x50\xAC\x02", 3);
    put_field(span, 0x5A, "\x09\x01\x02\x03\x04\x05\x06\x07\x08", 9);
    put_field(span, 0x5A, "", 0);
    put(span, "\x60\x07", 2);
    put_field(span, 0x6A, "\x0A\x00", 2);
    put(span, "\x70\x08", 2);
    put_field(span, 0x7A, "\x12\003bad\x18\x02", 7);
    put(span, "\x85\x01\x01\x03\x00\x00", 6);
}

#endif
