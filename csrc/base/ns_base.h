/* Definitions shared by all of csrc/. No file in csrc/ may include Python.h. */
#ifndef NS_BASE_H
#define NS_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_LIKELY(x)   __builtin_expect(!!(x), 1)
#define NS_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Two threads that write neighbouring words of one cache line slow each other down. Each shared word gets a line of its
 * own. */
#define NS_CACHE_LINE 64

static inline uint64_t ns_load_u64(const void *from) {
    uint64_t value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
}

static inline void ns_store_u64(void *to, uint64_t value) { __builtin_memcpy(to, &value, sizeof value); }

static inline void ns_store_u32(void *to, uint32_t value) { __builtin_memcpy(to, &value, sizeof value); }

#define NS_SHORT_COPY 32

/* Copies at most NS_SHORT_COPY bytes without a call: two overlapping words cover every size between one and two words. */
static inline void ns_copy_short(uint8_t *to, const void *from_bytes, size_t size) {
    const uint8_t *from = (const uint8_t *)from_bytes;
    if (size >= 16) {
        uint64_t head[2], tail[2];
        __builtin_memcpy(head, from, 16);
        __builtin_memcpy(tail, from + size - 16, 16);
        __builtin_memcpy(to, head, 16);
        __builtin_memcpy(to + size - 16, tail, 16);
    } else if (size >= 8) {
        uint64_t head = ns_load_u64(from), tail = ns_load_u64(from + size - 8);
        ns_store_u64(to, head);
        ns_store_u64(to + size - 8, tail);
    } else if (size >= 4) {
        uint32_t head, tail;
        __builtin_memcpy(&head, from, 4);
        __builtin_memcpy(&tail, from + size - 4, 4);
        ns_store_u32(to, head);
        ns_store_u32(to + size - 4, tail);
    } else {
        for (size_t i = 0; i < size; i++) to[i] = from[i];
    }
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "nanospan writes fixed64 fields in host order and so needs a little-endian machine"
#endif

#endif
