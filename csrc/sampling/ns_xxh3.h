/* XXH3 with 64 bits and seed 0 of exactly sixteen bytes: the hash that derives randomness from a trace id without random
 * bits. All members of a fleet must hash alike, so this is a published function, written from its specification
 * (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, "Medium input" of 9 to 16 bytes). */
#ifndef NS_XXH3_H
#define NS_XXH3_H

#include "base/ns_base.h"

/* Hash of the sixteen big-endian bytes of a trace id. */
static inline uint64_t ns_xxh3_16(uint64_t trace_high, uint64_t trace_low) {
    /* Words of the algorithm's secret at 24 and 32, and at 40 and 48. */
    const uint64_t first_flip = UINT64_C(0x1f67b3b7a4a44072) ^ UINT64_C(0x78e5c0cc4ee679cb);
    const uint64_t last_flip = UINT64_C(0x2172ffcc7dd05a82) ^ UINT64_C(0x8e2443f7744608b8);
    const uint64_t multiplier = UINT64_C(0x165667919e3779f9);
    uint64_t first = __builtin_bswap64(trace_high) ^ first_flip;
    uint64_t last = __builtin_bswap64(trace_low) ^ last_flip;
    unsigned __int128 product = (unsigned __int128)first * last;
    uint64_t hash = 16 + __builtin_bswap64(first) + last + ((uint64_t)product ^ (uint64_t)(product >> 64));
    hash = (hash ^ hash >> 37) * multiplier;
    return hash ^ hash >> 32;
}

#endif
