#include "encoding/ns_utf8.h"

#define REPLACEMENT 0xFFFDu

static inline bool is_encodable(uint32_t point) { return point < 0xD800 || (point > 0xDFFF && point <= 0x10FFFF); }

static inline uint32_t point_at(const ns_text *text, size_t index) {
    switch (text->width) {
    case NS_TEXT_UCS2:
        return ((const uint16_t *)text->data)[index];
    case NS_TEXT_UCS4:
        return ((const uint32_t *)text->data)[index];
    default:
        return ((const uint8_t *)text->data)[index];
    }
}

size_t ns_utf8_size_wide(const ns_text *text) {
    size_t size = 0;
    for (size_t i = 0; i < text->length; i++) {
        uint32_t point = point_at(text, i);
        if (!is_encodable(point)) point = REPLACEMENT;
        size += 1 + (point >= 0x80) + (point >= 0x800) + (point >= 0x10000);
    }
    return size;
}

size_t ns_utf8_write_wide(const ns_text *text, uint8_t *out) {
    size_t replaced = 0;
    for (size_t i = 0; i < text->length; i++) {
        uint32_t point = point_at(text, i);
        if (NS_UNLIKELY(!is_encodable(point))) {
            point = REPLACEMENT;
            replaced++;
        }
        if (point < 0x80) {
            *out++ = (uint8_t)point;
        } else if (point < 0x800) {
            *out++ = (uint8_t)(0xC0 | point >> 6);
            *out++ = (uint8_t)(0x80 | (point & 0x3F));
        } else if (point < 0x10000) {
            *out++ = (uint8_t)(0xE0 | point >> 12);
            *out++ = (uint8_t)(0x80 | (point >> 6 & 0x3F));
            *out++ = (uint8_t)(0x80 | (point & 0x3F));
        } else {
            *out++ = (uint8_t)(0xF0 | point >> 18);
            *out++ = (uint8_t)(0x80 | (point >> 12 & 0x3F));
            *out++ = (uint8_t)(0x80 | (point >> 6 & 0x3F));
            *out++ = (uint8_t)(0x80 | (point & 0x3F));
        }
    }
    return replaced;
}
