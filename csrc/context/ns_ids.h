/* Random trace and span ids.
 *
 * Each thread owns a xoshiro256++ generator (Blackman and Vigna's published algorithm), seeded by the kernel
 * on the thread's first id and again on the first id after a fork, so that neither threads nor processes
 * share a sequence. Every bit is random: trace ids satisfy the W3C random flag (low 56 bits). The ids
 * identify, they do not authenticate: the generator is fast and well distributed, not cryptographic.
 */
#ifndef NS_IDS_H
#define NS_IDS_H

#include "base/ns_base.h"

typedef struct {
    uint64_t word[4]; /* never all zero: from there the generator would return zeros for ever */
} ns_random;

static inline uint64_t ns_rotate_left(uint64_t value, unsigned bits) {
    return value << bits | value >> (64 - bits);
}

static inline uint64_t ns_random_next(ns_random *random) {
    uint64_t *w = random->word;
    uint64_t output = ns_rotate_left(w[0] + w[3], 23) + w[0];
    uint64_t shifted = w[1] << 17;
    w[2] ^= w[0];
    w[3] ^= w[1];
    w[1] ^= w[2];
    w[0] ^= w[3];
    w[2] ^= shifted;
    w[3] = ns_rotate_left(w[3], 45);
    return output;
}

/* Seeds from clocks, the process id, a process-wide counter and addresses: what is left where the kernel
 * gives no random bytes (a sandbox that forbids the call, the first moments of a boot). Different on every
 * call. */
void ns_random_seed_weakly(ns_random *random);

/* A 128-bit trace id as the two halves of the number it is. */
typedef struct {
    uint64_t high;
    uint64_t low;
} ns_trace_id;

/* Says where the fork generation is counted: a `const _Atomic uint32_t *` (see ns_fork.h), valid for the life
 * of the process. By pointer, so that one copy of ns_fork.c serves every extension; `const void *`, because
 * Cython cannot spell _Atomic. Call before the first id; until then forks go unnoticed. */
void ns_ids_init(const void *fork_generation);

/* Never zero, which would be the invalid id. Safe from every thread; takes no lock. */
uint64_t ns_span_id_new(void);
ns_trace_id ns_trace_id_new(void);

/* Both ids of a root span, for one look at the thread's generator. */
void ns_root_ids_new(ns_trace_id *trace_id, uint64_t *span_id);

/* Ids travel as bytes in network order. */
static inline void ns_span_id_store(unsigned char to[8], uint64_t id) {
    ns_store_u64(to, __builtin_bswap64(id));
}

static inline void ns_trace_id_store(unsigned char to[16], ns_trace_id id) {
    ns_span_id_store(to, id.high);
    ns_span_id_store(to + 8, id.low);
}

#endif
