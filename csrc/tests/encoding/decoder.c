#include "encoding/decoder.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the text ------------------------------------------------------------------------------------------------- */

static char *text_room(otlp_text *text, size_t size) {
    if (text->cap - text->len <= size) {
        text->cap = (text->cap + size) * 2 + 64;
        text->chars = realloc(text->chars, text->cap);
        if (!text->chars) abort();
    }
    return text->chars + text->len;
}

static void text_put(otlp_text *text, const char *chars, size_t size) {
    char *out = text_room(text, size);
    if (size) memcpy(out, chars, size);
    out[size] = 0;
    text->len += size;
}

__attribute__((format(printf, 2, 3))) static void text_print(otlp_text *text, const char *format, ...) {
    char line[128];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= sizeof line) abort();
    text_put(text, line, (size_t)size);
}

static void text_name(otlp_text *text, const char *name) {
    for (unsigned i = 0; i < text->depth; i++) text_put(text, "  ", 2);
    text_put(text, name, strlen(name));
    text_put(text, " ", 1);
}

void otlp_text_free(otlp_text *text) {
    free(text->chars);
    *text = (otlp_text){0};
}

bool otlp_text_equal(const otlp_text *a, const otlp_text *b) {
    return a->len == b->len && (a->len == 0 || memcmp(a->chars, b->chars, a->len) == 0);
}

void otlp_text_explain(const otlp_text *got, const otlp_text *expected) {
    size_t at = 0, line = 0, number = 1;
    while (at < got->len && at < expected->len && got->chars[at] == expected->chars[at]) {
        if (got->chars[at++] == '\n') line = at, number++;
    }
    fprintf(stderr, "line %zu\n  got      %.200s\n  expected %.200s\n", number, got->chars ? got->chars + line : "",
            expected->chars ? expected->chars + line : "");
}

void otlp_text_append(otlp_text *text, const otlp_text *lines) { text_put(text, lines->chars, lines->len); }

void otlp_text_open(otlp_text *text, const char *name) {
    text_name(text, name);
    text_put(text, "{\n", 2);
    text->depth++;
}

void otlp_text_close(otlp_text *text) {
    text->depth--;
    for (unsigned i = 0; i < text->depth; i++) text_put(text, "  ", 2);
    text_put(text, "}\n", 2);
}

void otlp_text_bool(otlp_text *text, const char *name, bool value) {
    text_name(text, name);
    text_print(text, "%s\n", value ? "true" : "false");
}

void otlp_text_int(otlp_text *text, const char *name, int64_t value) {
    text_name(text, name);
    text_print(text, "%" PRId64 "\n", value);
}

void otlp_text_uint(otlp_text *text, const char *name, uint64_t value) {
    text_name(text, name);
    text_print(text, "%" PRIu64 "\n", value);
}

void otlp_text_double(otlp_text *text, const char *name, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    text_name(text, name);
    text_print(text, "%016" PRIx64 "\n", bits);
}

static const char digits[] = "0123456789abcdef";

void otlp_text_string(otlp_text *text, const char *name, const void *chars, size_t size) {
    const uint8_t *from = chars;
    text_name(text, name);
    char *start = text_room(text, 4 * size + 3), *out = start;
    *out++ = '"';
    for (size_t i = 0; i < size; i++) {
        if (from[i] >= 0x20 && from[i] < 0x7F && from[i] != '"' && from[i] != '\\') {
            *out++ = (char)from[i];
        } else {
            *out++ = '\\';
            *out++ = 'x';
            *out++ = digits[from[i] >> 4];
            *out++ = digits[from[i] & 15];
        }
    }
    *out++ = '"';
    *out++ = '\n';
    *out = 0;
    text->len += (size_t)(out - start);
}

void otlp_text_bytes(otlp_text *text, const char *name, const void *bytes, size_t size) {
    const uint8_t *from = bytes;
    text_name(text, name);
    char *start = text_room(text, 2 * size + 1), *out = start;
    for (size_t i = 0; i < size; i++) {
        *out++ = digits[from[i] >> 4];
        *out++ = digits[from[i] & 15];
    }
    *out++ = '\n';
    *out = 0;
    text->len += (size_t)(out - start);
}

/* --- the fields of each message: opentelemetry-proto trace/v1, common/v1, resource/v1 --------------------------- */

typedef enum field_type {
    MESSAGE,
    STRING,
    BYTES,
    BYTES_8,  /* a span id */
    BYTES_16, /* a trace id */
    UINT32,
    ENUM_KIND,   /* SpanKind, 0 to 5 */
    ENUM_STATUS, /* StatusCode, 0 to 2 */
    INT64,
    BOOL,
    FIXED32,
    FIXED64,
    DOUBLE,
} field_type;

typedef struct field {
    uint32_t number;
    field_type type;
    const char *name;
    otlp_message message;
    bool repeated;
} field;

typedef struct message_type {
    bool one_of; /* member of a oneof: at most one is present, also with its default value */
    field fields[16];
} message_type;

#define ONE(number, name, message)  {number, MESSAGE, name, message, false}
#define MANY(number, name, message) {number, MESSAGE, name, message, true}
#define FIELD(number, name, type)   {number, type, name, OTLP_REQUEST, false}

static const message_type message_types[] = {
    [OTLP_REQUEST] = {false, {MANY(1, "resource_spans", OTLP_RESOURCE_SPANS)}},
    [OTLP_RESOURCE_SPANS] = {false,
                             {ONE(1, "resource", OTLP_RESOURCE), MANY(2, "scope_spans", OTLP_SCOPE_SPANS),
                              FIELD(3, "schema_url", STRING)}},
    [OTLP_SCOPE_SPANS] = {false, {ONE(1, "scope", OTLP_SCOPE), MANY(2, "spans", OTLP_SPAN), FIELD(3, "schema_url", STRING)}},
    [OTLP_RESOURCE] = {false, {MANY(1, "attributes", OTLP_KEY_VALUE), FIELD(2, "dropped_attributes", UINT32)}},
    [OTLP_SCOPE] = {false,
                    {FIELD(1, "name", STRING), FIELD(2, "version", STRING), MANY(3, "attributes", OTLP_KEY_VALUE),
                     FIELD(4, "dropped_attributes", UINT32)}},
    [OTLP_SPAN] = {false,
                   {FIELD(1, "trace_id", BYTES_16), FIELD(2, "span_id", BYTES_8), FIELD(3, "trace_state", STRING),
                    FIELD(4, "parent_span_id", BYTES_8), FIELD(5, "name", STRING), FIELD(6, "kind", ENUM_KIND),
                    FIELD(7, "start_time", FIXED64), FIELD(8, "end_time", FIXED64), MANY(9, "attributes", OTLP_KEY_VALUE),
                    FIELD(10, "dropped_attributes", UINT32), MANY(11, "events", OTLP_EVENT),
                    FIELD(12, "dropped_events", UINT32), MANY(13, "links", OTLP_LINK), FIELD(14, "dropped_links", UINT32),
                    ONE(15, "status", OTLP_STATUS), FIELD(16, "flags", FIXED32)}},
    [OTLP_EVENT] = {false,
                    {FIELD(1, "time", FIXED64), FIELD(2, "name", STRING), MANY(3, "attributes", OTLP_KEY_VALUE),
                     FIELD(4, "dropped_attributes", UINT32)}},
    [OTLP_LINK] = {false,
                   {FIELD(1, "trace_id", BYTES_16), FIELD(2, "span_id", BYTES_8), FIELD(3, "trace_state", STRING),
                    MANY(4, "attributes", OTLP_KEY_VALUE), FIELD(5, "dropped_attributes", UINT32),
                    FIELD(6, "flags", FIXED32)}},
    [OTLP_STATUS] = {false, {FIELD(2, "message", STRING), FIELD(3, "code", ENUM_STATUS)}},
    [OTLP_KEY_VALUE] = {false, {FIELD(1, "key", STRING), ONE(2, "value", OTLP_ANY_VALUE)}},
    [OTLP_ANY_VALUE] = {true,
                        {FIELD(1, "string", STRING), FIELD(2, "bool", BOOL), FIELD(3, "int", INT64),
                         FIELD(4, "double", DOUBLE), ONE(5, "array", OTLP_ARRAY), ONE(6, "kvlist", OTLP_KVLIST),
                         FIELD(7, "bytes", BYTES)}},
    [OTLP_ARRAY] = {false, {MANY(1, "values", OTLP_ANY_VALUE)}},
    [OTLP_KVLIST] = {false, {MANY(1, "values", OTLP_KEY_VALUE)}},
};

/* --- reading --------------------------------------------------------------------------------------------------- */

enum { MAX_DEPTH = 200 };

typedef struct reader {
    const uint8_t *bytes;
    size_t at;
    otlp_text *text;
    const char *fault;
    unsigned depth;
} reader;

static bool fail(reader *in, const char *reason) {
    if (!in->fault) in->fault = reason;
    return false;
}

static bool read_varint(reader *in, size_t end, uint64_t *value) {
    uint64_t sum = 0;
    for (unsigned groups = 0;; groups++) {
        if (in->at == end) return fail(in, "varint cut short");
        uint8_t byte = in->bytes[in->at++];
        if (groups == 9 && byte > 1) return fail(in, "varint beyond 64 bits");
        sum |= (uint64_t)(byte & 0x7F) << (7 * groups);
        if (byte < 0x80) {
            if (byte == 0 && groups > 0) return fail(in, "varint longer than it need be");
            *value = sum;
            return true;
        }
    }
}

static bool read_fixed(reader *in, size_t end, unsigned size, uint64_t *value) {
    if (end - in->at < size) return fail(in, "fixed-size field cut short");
    *value = 0;
    for (unsigned i = 0; i < size; i++) *value |= (uint64_t)in->bytes[in->at++] << (8 * i);
    return true;
}

bool otlp_is_utf8(const uint8_t *bytes, size_t size) {
    /* Well-formed sequences of the Unicode standard: the first byte determines the length and the range of the second byte,
     * which excludes overlong forms, surrogates and values above U+10FFFF. */
    for (size_t i = 0; i < size;) {
        uint8_t first = bytes[i++];
        unsigned more;
        uint8_t low = 0x80, high = 0xBF;
        if (first < 0x80) continue;
        if (first >= 0xC2 && first <= 0xDF) more = 1;
        else if (first >= 0xE0 && first <= 0xEF) more = 2;
        else if (first >= 0xF0 && first <= 0xF4) more = 3;
        else return false;
        if (first == 0xE0) low = 0xA0;
        if (first == 0xED) high = 0x9F;
        if (first == 0xF0) low = 0x90;
        if (first == 0xF4) high = 0x8F;
        for (; more > 0; more--, i++, low = 0x80, high = 0xBF)
            if (i == size || bytes[i] < low || bytes[i] > high) return false;
    }
    return true;
}

static bool read_message(reader *in, const message_type *type, size_t end);

static bool read_delimited(reader *in, const field *field, size_t end, bool one_of) {
    uint64_t length;
    if (!read_varint(in, end, &length)) return false;
    if (length > end - in->at) return fail(in, "length beyond its message");
    const uint8_t *payload = in->bytes + in->at;
    size_t size = (size_t)length;
    if (field->type == MESSAGE) {
        if (++in->depth > MAX_DEPTH) return fail(in, "nested too deeply");
        otlp_text_open(in->text, field->name);
        if (!read_message(in, &message_types[field->message], in->at + size)) return false;
        otlp_text_close(in->text);
        in->depth--;
        return true;
    }
    if (size == 0 && !one_of) return fail(in, "empty value written");
    if (field->type == BYTES_8 && size != 8) return fail(in, "span id not of 8 bytes");
    if (field->type == BYTES_16 && size != 16) return fail(in, "trace id not of 16 bytes");
    if (field->type == STRING) {
        if (!otlp_is_utf8(payload, size)) return fail(in, "invalid UTF-8");
        otlp_text_string(in->text, field->name, payload, size);
    } else {
        otlp_text_bytes(in->text, field->name, payload, size);
    }
    in->at += size;
    return true;
}

static bool read_number(reader *in, const field *field, size_t end, bool one_of) {
    uint64_t value;
    double number;
    switch (field->type) {
    case FIXED32:
        if (!read_fixed(in, end, 4, &value)) return false;
        break;
    case FIXED64:
    case DOUBLE:
        if (!read_fixed(in, end, 8, &value)) return false;
        break;
    default:
        if (!read_varint(in, end, &value)) return false;
    }
    if (value == 0 && !one_of) return fail(in, "default value written");
    switch (field->type) {
    case UINT32:
        if (value > UINT32_MAX) return fail(in, "uint32 out of range");
        break;
    case BOOL:
        if (value > 1) return fail(in, "bool out of range");
        break;
    case ENUM_KIND:
        if (value > 5) return fail(in, "unknown span kind");
        break;
    case ENUM_STATUS:
        if (value > 2) return fail(in, "unknown status code");
        break;
    default:
        break;
    }
    if (field->type == BOOL) {
        otlp_text_bool(in->text, field->name, value == 1);
    } else if (field->type == INT64) {
        otlp_text_int(in->text, field->name, (int64_t)value);
    } else if (field->type == DOUBLE) {
        memcpy(&number, &value, sizeof number);
        otlp_text_double(in->text, field->name, number);
    } else {
        otlp_text_uint(in->text, field->name, value);
    }
    return true;
}

static unsigned wire_type_of(field_type type) {
    switch (type) {
    case MESSAGE:
    case STRING:
    case BYTES:
    case BYTES_8:
    case BYTES_16:
        return 2;
    case FIXED32:
        return 5;
    case FIXED64:
    case DOUBLE:
        return 1;
    default:
        return 0;
    }
}

static const field *field_numbered(const message_type *type, uint64_t number) {
    for (size_t i = 0; i < sizeof type->fields / sizeof type->fields[0] && type->fields[i].name; i++)
        if (type->fields[i].number == number) return &type->fields[i];
    return NULL;
}

static bool read_message(reader *in, const message_type *type, size_t end) {
    uint64_t last = 0;
    while (in->at < end) {
        uint64_t tag;
        if (!read_varint(in, end, &tag)) return false;
        const field *field = field_numbered(type, tag >> 3);
        if (!field) return fail(in, "unknown field");
        if ((tag & 7) != wire_type_of(field->type)) return fail(in, "wrong wire type");
        if (field->number < last) return fail(in, "fields out of order");
        if (field->number == last && !field->repeated) return fail(in, "field repeated");
        if (type->one_of && last != 0) return fail(in, "two members of a oneof");
        last = field->number;
        bool fine = wire_type_of(field->type) == 2 ? read_delimited(in, field, end, type->one_of)
                                                   : read_number(in, field, end, type->one_of);
        if (!fine) return false;
    }
    return true;
}

bool otlp_decode(otlp_message kind, const uint8_t *bytes, size_t size, otlp_text *text, otlp_error *error) {
    reader in = {.bytes = bytes, .text = text};
    unsigned depth = text->depth;
    bool fine = read_message(&in, &message_types[kind], size);
    *error = (otlp_error){in.at, in.fault};
    text->depth = depth;
    return fine;
}
