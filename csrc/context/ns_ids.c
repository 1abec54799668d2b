#include "context/ns_ids.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/ns_clock.h"

typedef struct {
    ns_random random;
    uint32_t generation; /* fork generation in which it was seeded */
    bool seeded;
} thread_generator;

static _Thread_local thread_generator generator;

static const _Atomic uint32_t no_forks = 0;

/* Release store, acquire load: a thread that loads the pointer sees the initialised counter. */
static _Atomic(const _Atomic uint32_t *) fork_generation = &no_forks;

void ns_ids_init(const void *counter) {
    atomic_store_explicit(&fork_generation, (const _Atomic uint32_t *)counter, memory_order_release);
}

static bool seed_from_kernel(ns_random *random) {
#ifdef SYS_getrandom
    /* Called by number, because the C library of the oldest wheels has no wrapper. The flag 1 is GRND_NONBLOCK: an
     * application must not block on the entropy pool of a booting machine. Requests of up to 256 bytes are never cut
     * short. */
    long got;
    do got = syscall(SYS_getrandom, random, sizeof *random, 1);
    while (got < 0 && errno == EINTR);
    return got == (long)sizeof *random;
#else
    return false;
#endif
}

/* splitmix64, the seeding function that the authors of xoshiro recommend: adjacent inputs give unrelated outputs. */
static uint64_t mix(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void ns_random_seed_weakly(ns_random *random) {
    /* relaxed: the only requirement is that no two calls get the same number */
    static _Atomic uint64_t calls = 0;
    uint64_t call = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    const uint64_t sources[] = {ns_clock_wall(), ns_clock_monotonic(), (uint64_t)getpid(), call,
                                (uint64_t)(uintptr_t)random};
    uint64_t state = 0;
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        state ^= sources[i];
        state = mix(&state);
    }
    for (size_t i = 0; i < 4; i++) random->word[i] = mix(&state);
}

static void seed(thread_generator *own, uint32_t generation) {
    int saved_errno = errno;
    ns_random *random = &own->random;
    const uint64_t *w = random->word;
    if (!seed_from_kernel(random) || (w[0] | w[1] | w[2] | w[3]) == 0) ns_random_seed_weakly(random);
    own->generation = generation;
    own->seeded = true;
    errno = saved_errno;
}

static inline ns_random *current_random(void) {
    thread_generator *own = &generator;
    const _Atomic uint32_t *counter = atomic_load_explicit(&fork_generation, memory_order_acquire);
    /* relaxed: the counter changes only in a forked child that still has a single thread */
    uint32_t generation = atomic_load_explicit(counter, memory_order_relaxed);
    if (NS_UNLIKELY(!own->seeded || own->generation != generation)) seed(own, generation);
    return &own->random;
}

static inline uint64_t span_id_from(ns_random *random) {
    uint64_t id;
    do id = ns_random_next(random);
    while (NS_UNLIKELY(id == 0));
    return id;
}

static inline ns_trace_id trace_id_from(ns_random *random) {
    ns_trace_id id;
    do {
        id.high = ns_random_next(random);
        id.low = ns_random_next(random);
    } while (NS_UNLIKELY((id.high | id.low) == 0));
    return id;
}

uint64_t ns_span_id_new(void) { return span_id_from(current_random()); }

ns_trace_id ns_trace_id_new(void) { return trace_id_from(current_random()); }

void ns_root_ids_new(ns_trace_id *trace_id, uint64_t *span_id) {
    ns_random *random = current_random();
    *trace_id = trace_id_from(random);
    *span_id = span_id_from(random);
}
