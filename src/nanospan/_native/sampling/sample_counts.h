/* Counters of samplers. With the interpreter lock, writers hold it and a plain addition loses nothing; an atomic addition
 * would cost a tenth of a decision. Readers need no lock. */
#ifndef NANOSPAN_SAMPLE_COUNTS_H
#define NANOSPAN_SAMPLE_COUNTS_H

#include "base/threads.h"

static inline void nspy_count_sample(uint64_t *count) {
#if NSPY_FREE
    __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
#else
    __atomic_store_n(count, *count + 1, __ATOMIC_RELAXED);
#endif
}

static inline uint64_t nspy_sample_count(const uint64_t *count) { return __atomic_load_n(count, __ATOMIC_RELAXED); }

#endif
