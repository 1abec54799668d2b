#include "contract/ns_fold.h"

#define DIGITS                                                                                                           \
    ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', \
    ['9'] = '9'
#define LETTER(upper, lower) [upper] = lower, [lower] = lower

const uint8_t ns_fold_byte[256] = {
    ['-'] = NS_FOLD_MARK, ['_'] = NS_FOLD_MARK, ['.'] = NS_FOLD_MARK, DIGITS,           LETTER('A', 'a'), LETTER('B', 'b'),
    LETTER('C', 'c'),     LETTER('D', 'd'),     LETTER('E', 'e'),     LETTER('F', 'f'), LETTER('G', 'g'), LETTER('H', 'h'),
    LETTER('I', 'i'),     LETTER('J', 'j'),     LETTER('K', 'k'),     LETTER('L', 'l'), LETTER('M', 'm'), LETTER('N', 'n'),
    LETTER('O', 'o'),     LETTER('P', 'p'),     LETTER('Q', 'q'),     LETTER('R', 'r'), LETTER('S', 's'), LETTER('T', 't'),
    LETTER('U', 'u'),     LETTER('V', 'v'),     LETTER('W', 'w'),     LETTER('X', 'x'), LETTER('Y', 'y'), LETTER('Z', 'z'),
};

uint64_t ns_fold_hash(const char *folded, size_t size) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++) hash = (hash ^ (uint8_t)folded[i]) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32;
    return hash ? hash : 1;
}

static uint32_t point_at(const ns_text *key, size_t index) {
    switch (key->width) {
    case NS_TEXT_UCS2:
        return ((const uint16_t *)key->data)[index];
    case NS_TEXT_UCS4:
        return ((const uint32_t *)key->data)[index];
    default:
        return ((const uint8_t *)key->data)[index];
    }
}

/* Writes the bytes of one code point, at most four, and returns how many. Text that is UTF-8 already is taken byte by byte. */
static size_t point_bytes(uint32_t point, bool is_utf8, char bytes[4]) {
    if (point < 0x80 || is_utf8) {
        bytes[0] = (char)point;
        return 1;
    }
    size_t size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = size; i-- > 1; point >>= 6) bytes[i] = (char)(0x80 | (point & 0x3F));
    bytes[0] = (char)((0xF00 >> size & 0xF0) | point);
    return size;
}

uint64_t ns_fold_key(const ns_text *key, char *out, size_t room) {
    size_t size = 0;
    for (size_t i = 0; i < key->length; i++) {
        uint32_t point = point_at(key, i);
        uint8_t folded = point < 0x80 ? ns_fold_byte[point] : 0;
        if (folded == NS_FOLD_MARK) continue;
        char bytes[4];
        size_t count = point_bytes(folded ? folded : point, key->width == NS_TEXT_UTF8, bytes);
        if (size + count >= room) return 0;
        for (size_t k = 0; k < count; k++) out[size++] = bytes[k];
    }
    if (size == 0) return 0;
    out[size] = 0;
    return ns_fold_hash(out, size);
}
