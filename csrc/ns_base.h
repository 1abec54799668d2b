/* Shared definitions of the ground floor. Nothing in csrc/ may include Python.h. */
#ifndef NS_BASE_H
#define NS_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_LIKELY(x)   __builtin_expect(!!(x), 1)
#define NS_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Two threads writing neighbouring words of one line slow each other down; shared words get a line each. */
#define NS_CACHE_LINE 64

static inline uint64_t ns_load_u64(const void *from) {
    uint64_t value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
}

static inline void ns_store_u64(void *to, uint64_t value) { __builtin_memcpy(to, &value, sizeof value); }

static inline void ns_store_u32(void *to, uint32_t value) { __builtin_memcpy(to, &value, sizeof value); }

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "nanospan writes fixed64 fields in host order and so needs a little-endian machine"
#endif

#endif
