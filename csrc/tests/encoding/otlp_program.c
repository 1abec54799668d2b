#include "encoding/otlp_program.h"

enum { MAX_DEPTH = 6 };

uint8_t fuzz_byte(fuzz_input *in) {
    if (in->left == 0) return 0;
    in->left--;
    return *in->bytes++;
}

uint64_t fuzz_number(fuzz_input *in) {
    uint8_t choice = fuzz_byte(in);
    if (choice < 128) return choice;
    /* Near a power of two, where the size of a varint changes. */
    uint64_t base = UINT64_C(1) << (choice & 63);
    return choice & 64 ? base - 1 - fuzz_byte(in) % 2 : base + fuzz_byte(in) % 2;
}

fuzz_savepoint fuzz_save(const fuzz_pair *pair) {
    return (fuzz_savepoint){ns_buf_save(&pair->buf), pair->text.len, pair->replaced, pair->expected_replaced,
                            pair->text.depth};
}

void fuzz_rewind(fuzz_pair *pair, fuzz_savepoint point) {
    ns_buf_rewind(&pair->buf, point.buf);
    pair->text.len = point.len;
    pair->text.depth = point.depth;
    pair->replaced = point.replaced;
    pair->expected_replaced = point.expected_replaced;
}

bool fuzz_settle(fuzz_input *in, fuzz_pair *pair, fuzz_savepoint point) {
    REQUIRE(!pair->roomy || !pair->buf.failed);
    if (!pair->buf.failed) {
        REQUIRE(pair->buf.len <= pair->buf.limit);
        REQUIRE(pair->replaced == pair->expected_replaced);
        if (fuzz_byte(in) != 0xFF) return true;
    }
    fuzz_rewind(pair, point);
    return false;
}

/* --- texts --------------------------------------------------------------------------------------------------------- */

static size_t put_point(uint8_t *out, uint32_t point) {
    static const uint8_t first[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, point >>= 6) out[i] = (uint8_t)(0x80 | (point & 0x3F));
    out[0] = (uint8_t)(first[size] | point);
    if (size == 1) out[0] = (uint8_t)point;
    return size;
}

static uint32_t read_point(fuzz_input *in, uint32_t width) {
    static const uint32_t odd[] = {0,      0x7F,   0x80,    0x7FF,    0x800,    0xD7FF,     0xD800,     0xDFFF,
                                   0xE000, 0xFFFF, 0x10000, 0x10FFFF, 0x110000, 0x80000000, 0xFFFFFFFF, 'z'};
    uint8_t byte = fuzz_byte(in);
    uint32_t point = byte < 0xE0 ? byte : odd[byte & 15];
    if (width == NS_TEXT_LATIN1) return point & 0xFF;
    return width == NS_TEXT_UCS2 ? point & 0xFFFF : point;
}

/* Up to 15 distinct points, repeated on request up to a length near which the size of a length changes. */
static size_t read_length(fuzz_input *in, uint8_t choice) {
    size_t distinct = choice >> 4;
    if (distinct == 0 || !(choice & 4)) return distinct;
    if (!(choice & 8) || distinct < 14 || in->long_text_used) return fuzz_byte(in);
    in->long_text_used = true;
    return 8100u + fuzz_byte(in) * 40u;
}

/* `size` bytes of the repeated period. */
static uint8_t *repeat(const uint8_t *period, size_t period_size, size_t size) {
    uint8_t *all = fuzz_block(size);
    size_t done = size < period_size ? size : period_size;
    memcpy(all, period, done);
    for (size_t more; done < size; done += more) {
        more = size - done < done ? size - done : done;
        memcpy(all + done, all, more);
    }
    return all;
}

fuzz_text fuzz_text_read(fuzz_input *in) {
    static const uint32_t widths[] = {NS_TEXT_UTF8, NS_TEXT_LATIN1, NS_TEXT_UCS2, NS_TEXT_UCS4};
    uint8_t choice = fuzz_byte(in);
    uint32_t width = widths[choice & 3];
    size_t length = read_length(in, choice), distinct = choice >> 4, each = width /* bytes per point */;
    uint8_t points[16 * 4] = {0}, utf8[16 * 4] = {0};
    size_t utf8_end[17] = {0}, replaced[17] = {0}; /* after each number of points */
    for (size_t i = 0; i < distinct; i++) {
        uint32_t point = read_point(in, width);
        if (width == NS_TEXT_LATIN1) points[i] = (uint8_t)point;
        if (width == NS_TEXT_UCS2) memcpy(points + 2 * i, &(uint16_t){(uint16_t)point}, 2);
        if (width == NS_TEXT_UCS4) memcpy(points + 4 * i, &point, 4);
        bool is_replaced = (point >= 0xD800 && point < 0xE000) || point > 0x10FFFF;
        replaced[i + 1] = replaced[i] + is_replaced;
        utf8_end[i + 1] = utf8_end[i] + put_point(utf8 + utf8_end[i], is_replaced ? 0xFFFD : point);
    }
    size_t times = distinct ? length / distinct : 0, rest = distinct ? length % distinct : 0;
    fuzz_text text = {.text = {.length = length, .width = width},
                      .utf8_size = times * utf8_end[distinct] + utf8_end[rest],
                      .replaced = times * replaced[distinct] + replaced[rest]};
    text.utf8 = repeat(utf8, utf8_end[distinct], text.utf8_size);
    if (width == NS_TEXT_UTF8) {
        text.text.data = fuzz_copy(text.utf8, text.utf8_size);
        text.text.length = text.utf8_size;
        text.replaced = 0;
    } else {
        text.text.data = repeat(points, each * distinct, each * length);
    }
    return text;
}

void fuzz_text_free(fuzz_text *text) {
    free((void *)text->text.data);
    free(text->utf8);
}

void fuzz_text_say(fuzz_pair *pair, const char *name, const fuzz_text *text) {
    if (text->utf8_size) otlp_text_string(&pair->text, name, text->utf8, text->utf8_size);
    pair->expected_replaced += text->replaced;
}

/* --- values -------------------------------------------------------------------------------------------------------- */

static ns_scalar read_scalar(fuzz_input *in, fuzz_pair *pair) {
    uint64_t bits;
    double number;
    switch (fuzz_byte(in) & 3) {
    case 1:
        bits = fuzz_byte(in) & 1;
        otlp_text_bool(&pair->text, "bool", bits);
        return ns_scalar_bool(bits);
    case 2:
        bits = fuzz_number(in);
        otlp_text_int(&pair->text, "int", (int64_t)bits);
        return ns_scalar_int((int64_t)bits);
    case 3:
        bits = fuzz_number(in) * UINT64_C(0x0101010101010101);
        memcpy(&number, &bits, sizeof number);
        otlp_text_double(&pair->text, "double", number);
        return ns_scalar_double(number);
    default:
        return ns_scalar_empty();
    }
}

static void put_text(fuzz_input *in, fuzz_pair *pair, uint8_t tag) {
    fuzz_text text = fuzz_text_read(in);
    pair->replaced += ns_otlp_value_text(&pair->buf, tag, &text.text);
    pair->expected_replaced += text.replaced;
    otlp_text_string(&pair->text, "string", text.utf8, text.utf8_size);
    fuzz_text_free(&text);
}

static void put_bytes(fuzz_input *in, fuzz_pair *pair, uint8_t tag) {
    fuzz_text text = fuzz_text_read(in);
    ns_otlp_value_bytes(&pair->buf, tag, text.utf8, text.utf8_size);
    otlp_text_bytes(&pair->text, "bytes", text.utf8, text.utf8_size);
    fuzz_text_free(&text);
}

static void put_value(fuzz_input *in, fuzz_pair *pair, uint8_t tag, const char *name, unsigned depth) {
    ns_scalar scalar;
    ns_container list;
    otlp_text_open(&pair->text, name);
    switch (fuzz_byte(in) % (depth < MAX_DEPTH ? 7 : 4)) {
    case 1:
        put_text(in, pair, tag);
        break;
    case 2:
        put_bytes(in, pair, tag);
        break;
    case 4:
    case 5:
        list = ns_otlp_array_open(&pair->buf, tag);
        otlp_text_open(&pair->text, "array");
        for (unsigned i = fuzz_byte(in) % 8; i > 0; i--) {
            fuzz_savepoint before = fuzz_save(pair);
            put_value(in, pair, NS_TAG_ARRAY_VALUE, "values", depth + 1);
            (void)fuzz_settle(in, pair, before);
        }
        otlp_text_close(&pair->text);
        ns_otlp_container_close(&pair->buf, list);
        break;
    case 6:
        list = ns_otlp_kvlist_open(&pair->buf, tag);
        otlp_text_open(&pair->text, "kvlist");
        (void)fuzz_attributes(in, pair, NS_TAG_KVLIST_VALUE, "values", depth + 1);
        otlp_text_close(&pair->text);
        ns_otlp_container_close(&pair->buf, list);
        break;
    default:
        scalar = read_scalar(in, pair);
        ns_otlp_value_scalar(&pair->buf, tag, &scalar);
    }
    otlp_text_close(&pair->text);
}

static void put_pair(fuzz_input *in, fuzz_pair *pair, uint8_t tag, const char *name, unsigned depth) {
    fuzz_text key = fuzz_text_read(in);
    uint8_t choice = fuzz_byte(in) % 4;
    otlp_text_open(&pair->text, name);
    fuzz_text_say(pair, "key", &key);
    if (choice == 0) {
        otlp_text_open(&pair->text, "value");
        ns_scalar scalar = read_scalar(in, pair);
        otlp_text_close(&pair->text);
        pair->replaced += ns_otlp_key_value_scalar(&pair->buf, tag, &key.text, &scalar);
    } else if (choice == 1) {
        fuzz_text value = fuzz_text_read(in);
        otlp_text_open(&pair->text, "value");
        otlp_text_string(&pair->text, "string", value.utf8, value.utf8_size);
        otlp_text_close(&pair->text);
        pair->expected_replaced += value.replaced;
        pair->replaced += ns_otlp_key_value_text(&pair->buf, tag, &key.text, &value.text);
        fuzz_text_free(&value);
    } else {
        ns_mark open = ns_otlp_key_value_open(&pair->buf, tag, &key.text, &pair->replaced);
        put_value(in, pair, NS_TAG_KEY_VALUE_VALUE, "value", depth);
        ns_otlp_close(&pair->buf, open);
    }
    otlp_text_close(&pair->text);
    fuzz_text_free(&key);
}

uint32_t fuzz_attributes(fuzz_input *in, fuzz_pair *pair, uint8_t tag, const char *name, unsigned depth) {
    uint32_t given_up = 0;
    for (unsigned i = fuzz_byte(in) % 8; i > 0; i--) {
        fuzz_savepoint before = fuzz_save(pair);
        put_pair(in, pair, tag, name, depth);
        given_up += !fuzz_settle(in, pair, before);
    }
    return given_up;
}
