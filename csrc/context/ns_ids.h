/* Random trace ids and span ids.
 *
 * Each thread owns a xoshiro256++ generator (the algorithm of Blackman and Vigna). The kernel seeds it before the thread's
 * first id and again before the first id after a fork, so neither threads nor processes share a sequence. All bits are
 * random, which satisfies the W3C random flag (low 56 bits of the trace id). The generator is fast and well distributed but
 * not cryptographic: ids identify, they do not authenticate.
 */
#ifndef NS_IDS_H
#define NS_IDS_H

#include "base/ns_base.h"

typedef struct {
    uint64_t word[4]; /* never all zero: the generator would then return zeros for ever */
} ns_random;

static inline uint64_t ns_rotate_left(uint64_t value, unsigned bits) { return value << bits | value >> (64 - bits); }

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

/* Seeds from clocks, the process id, a process-wide counter and addresses. Used where the kernel gives no random bytes: a
 * sandbox that forbids the call, or the first moments of a boot. Every call gives a different state. */
void ns_random_seed_weakly(ns_random *random);

/* The two halves of a 128-bit trace id, as numbers. */
typedef struct {
    uint64_t high;
    uint64_t low;
} ns_trace_id;

/* Sets the counter of the fork generation: a `const _Atomic uint32_t *` (ns_fork.h) that stays valid for the life of the
 * process. It is a pointer so that one copy of ns_fork.c serves every extension module, and `const void *` because Cython
 * cannot express _Atomic. Call this before the first id; until then forks go undetected. */
void ns_ids_init(const void *fork_generation);

/* Never returns zero, the invalid id. Any thread may call these; they take no lock. */
uint64_t ns_span_id_new(void);
ns_trace_id ns_trace_id_new(void);

/* Both ids of a root span, with one access to the thread's generator. */
void ns_root_ids_new(ns_trace_id *trace_id, uint64_t *span_id);

/* Ids are stored as bytes in network order. */
static inline void ns_span_id_store(unsigned char to[8], uint64_t id) { ns_store_u64(to, __builtin_bswap64(id)); }

static inline void ns_trace_id_store(unsigned char to[16], ns_trace_id id) {
    ns_span_id_store(to, id.high);
    ns_span_id_store(to + 8, id.low);
}

#endif
