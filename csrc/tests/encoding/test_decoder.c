/* The decoder judges the encoder, so these tests show that it rejects invalid messages. */
#include <string.h>

#include "encoding/decoder.h"
#include "ns_test.h"

static bool decodes_to(otlp_message kind, const void *bytes, size_t size, const char *expected) {
    otlp_text text = {0};
    otlp_error error;
    bool fine = otlp_decode(kind, bytes, size, &text, &error) && text.len == strlen(expected) &&
                (text.len == 0 || strcmp(text.chars, expected) == 0);
    otlp_text_free(&text);
    return fine;
}

static bool refuses(otlp_message kind, const void *bytes, size_t size, const char *reason) {
    otlp_text text = {0};
    otlp_error error;
    bool refused = !otlp_decode(kind, bytes, size, &text, &error) && strcmp(error.reason, reason) == 0;
    otlp_text_free(&text);
    return refused;
}

/* Literals contain zero bytes, so the size is that of the array. */
#define DECODES_TO(kind, literal, expected) decodes_to(kind, literal, sizeof(literal) - 1, expected)
#define REFUSES(kind, literal, reason)      refuses(kind, literal, sizeof(literal) - 1, reason)

static void test_reads(void) {
    CHECK(DECODES_TO(OTLP_REQUEST, "", ""));
    CHECK(DECODES_TO(OTLP_ANY_VALUE, "", ""));
    CHECK(DECODES_TO(OTLP_ANY_VALUE, "\x0a\x00", "string \"\"\n"));
    CHECK(DECODES_TO(OTLP_ANY_VALUE, "\x0a\003a\"\n", "string \"a\\x22\\x0a\"\n"));
    CHECK(DECODES_TO(OTLP_ANY_VALUE, "\x10\x00", "bool false\n"));
    CHECK(DECODES_TO(OTLP_ANY_VALUE, "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "int -1\n"));
    CHECK(DECODES_TO(OTLP_ANY_VALUE, "\x21\0\0\0\0\0\0\0\x80", "double 8000000000000000\n"));
    CHECK(DECODES_TO(OTLP_ANY_VALUE, "\x2a\x04\x0a\x00\x0a\x00", "array {\n  values {\n  }\n  values {\n  }\n}\n"));
    CHECK(DECODES_TO(OTLP_ANY_VALUE, "\x3a\x02\x00\xff", "bytes 00ff\n"));
    CHECK(DECODES_TO(OTLP_SPAN, "\x85\x01\x01\x00\x00\x00", "flags 1\n"));
    CHECK(DECODES_TO(OTLP_KEY_VALUE, "\x0a\x01k\x12\x02\x18\x05", "key \"k\"\nvalue {\n  int 5\n}\n"));
    CHECK(DECODES_TO(OTLP_STATUS, "\x12\x01m\x18\x02", "message \"m\"\ncode 2\n"));
}

static void test_refuses(void) {
    CHECK(REFUSES(OTLP_ANY_VALUE, "\x18\x80\x00", "varint longer than it need be"));
    CHECK(REFUSES(OTLP_ANY_VALUE, "\x0a\x81\000a", "varint longer than it need be"));
    CHECK(REFUSES(OTLP_ANY_VALUE, "\x98\x00\x05", "varint longer than it need be"));
    CHECK(REFUSES(OTLP_ANY_VALUE, "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "varint beyond 64 bits"));
    CHECK(REFUSES(OTLP_ANY_VALUE, "\x18\xff", "varint cut short"));
    CHECK(REFUSES(OTLP_ANY_VALUE, "\x21\x01\x02", "fixed-size field cut short"));
    CHECK(REFUSES(OTLP_ANY_VALUE, "\x0a\x02x", "length beyond its message"));
    CHECK(REFUSES(OTLP_ANY_VALUE, "\x10\x02", "bool out of range"));
    CHECK(REFUSES(OTLP_ANY_VALUE, "\x10\x01\x18\x01", "two members of a oneof"));
    CHECK(REFUSES(OTLP_ANY_VALUE, "\x42\x00", "unknown field"));
    CHECK(REFUSES(OTLP_ANY_VALUE, "\x1a\x00", "wrong wire type"));
    CHECK(REFUSES(OTLP_ANY_VALUE, "\x2a\x03\x0a\x02\x18", "length beyond its message"));
    CHECK(REFUSES(OTLP_SPAN, "\x0a\x02hi", "trace id not of 16 bytes"));
    CHECK(REFUSES(OTLP_SPAN, "\x12\x02hi", "span id not of 8 bytes"));
    CHECK(REFUSES(OTLP_SPAN, "\x2a\x00", "empty value written"));
    CHECK(REFUSES(OTLP_SPAN, "\x30\x00", "default value written"));
    CHECK(REFUSES(OTLP_SPAN, "\x30\x06", "unknown span kind"));
    CHECK(REFUSES(OTLP_SPAN, "\x30\x01\x2a\x01n", "fields out of order"));
    CHECK(REFUSES(OTLP_SPAN, "\x30\x01\x30\x01", "field repeated"));
    CHECK(REFUSES(OTLP_SPAN, "\x50\x80\x80\x80\x80\x10", "uint32 out of range"));
    CHECK(REFUSES(OTLP_STATUS, "\x18\x03", "unknown status code"));
    CHECK(REFUSES(OTLP_SPAN, "\x2a\x01\xff", "invalid UTF-8"));
}

static void test_utf8(void) {
#define UTF8(literal) otlp_is_utf8((const uint8_t *)literal, sizeof(literal) - 1)
    CHECK(UTF8("") && UTF8("a") && UTF8("\xc2\x80") && UTF8("\xdf\xbf") && UTF8("\xe0\xa0\x80"));
    CHECK(UTF8("\xed\x9f\xbf") && UTF8("\xee\x80\x80") && UTF8("\xef\xbf\xbd") && UTF8("\xf0\x90\x80\x80"));
    CHECK(UTF8("\xf4\x8f\xbf\xbf") && UTF8("\xf0\x9f\x98\x80z"));
    CHECK(!UTF8("\x80") && !UTF8("\xc0\x80") && !UTF8("\xc1\xbf") && !UTF8("\xc2") && !UTF8("\302a"));
    CHECK(!UTF8("\xe0\x9f\xbf") && !UTF8("\xed\xa0\x80") && !UTF8("\xed\xbf\xbf") && !UTF8("\xe1\x80"));
    CHECK(!UTF8("\xf0\x8f\xbf\xbf") && !UTF8("\xf4\x90\x80\x80") && !UTF8("\xf5\x80\x80\x80") && !UTF8("\xff"));
#undef UTF8
}

int main(void) {
    test_reads();
    test_refuses();
    test_utf8();
    return ns_test_summary();
}
