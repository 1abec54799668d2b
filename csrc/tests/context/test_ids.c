#include "context/ns_ids.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ns_fork.h"
#include "ns_test.h"

enum { MANY = 200000, THREADS = 4, PER_THREAD = 20000, PER_PROCESS = 64 };

static int compare_ids(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static size_t repeats(uint64_t *ids, size_t count) {
    qsort(ids, count, sizeof *ids, compare_ids);
    size_t found = 0;
    for (size_t i = 1; i < count; i++) found += ids[i] == ids[i - 1];
    return found;
}

/* Outputs of the algorithm from the state 1, 2, 3, 4. They verify that the implementation is xoshiro256++. */
static void test_generator_vectors(void) {
    const uint64_t expected[] = {
        UINT64_C(41943041),
        UINT64_C(58720359),
        UINT64_C(3588806011781223),
        UINT64_C(3591011842654386),
        UINT64_C(9228616714210784205),
        UINT64_C(9973669472204895162),
        UINT64_C(14011001112246962877),
        UINT64_C(12406186145184390807),
        UINT64_C(15849039046786891736),
        UINT64_C(10450023813501588000),
    };
    ns_random random = {{1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) CHECK(ns_random_next(&random) == expected[i]);
}

static void test_weak_seed(void) {
    ns_random one, two;
    ns_random_seed_weakly(&one);
    ns_random_seed_weakly(&two);
    CHECK((one.word[0] | one.word[1] | one.word[2] | one.word[3]) != 0);
    CHECK(memcmp(&one, &two, sizeof one) != 0);
}

static void test_network_order(void) {
    unsigned char bytes[16];
    ns_trace_id_store(bytes, (ns_trace_id){UINT64_C(0x0102030405060708), UINT64_C(0x090a0b0c0d0e0f10)});
    for (int i = 0; i < 16; i++) CHECK(bytes[i] == i + 1);
    ns_span_id_store(bytes, UINT64_C(0xf0e0d0c0b0a09080));
    CHECK(bytes[0] == 0xf0 && bytes[7] == 0x80);
}

static void test_unique_and_every_bit_used(void) {
    uint64_t *ids = malloc(3 * MANY * sizeof *ids);
    CHECK(ids != NULL);
    uint64_t ones[3] = {0}, everywhere[3] = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < MANY; i++) {
        ns_trace_id trace = ns_trace_id_new();
        uint64_t three[3] = {trace.high, trace.low, ns_span_id_new()};
        CHECK(three[2] != 0);
        CHECK((three[0] | three[1]) != 0);
        for (int j = 0; j < 3; j++) {
            ids[3 * i + (size_t)j] = three[j];
            ones[j] |= three[j];
            everywhere[j] &= three[j];
        }
    }
    for (int j = 0; j < 3; j++) {
        CHECK(ones[j] == UINT64_MAX); /* no bit is stuck at zero or at one */
        CHECK(everywhere[j] == 0);
    }
    CHECK(repeats(ids, 3 * MANY) == 0); /* 600,000 of 2^64: correct randomness fails once in 10^8 runs */
    free(ids);
}

static void *draw(void *into) {
    for (size_t i = 0; i < PER_THREAD; i++) ((uint64_t *)into)[i] = ns_span_id_new();
    return NULL;
}

static void test_threads_differ(void) {
    static uint64_t ids[THREADS * PER_THREAD];
    pthread_t threads[THREADS];
    for (size_t t = 0; t < THREADS; t++) CHECK(pthread_create(&threads[t], NULL, draw, ids + t * PER_THREAD) == 0);
    for (size_t t = 0; t < THREADS; t++) CHECK(pthread_join(threads[t], NULL) == 0);
    CHECK(repeats(ids, THREADS * PER_THREAD) == 0);
}

/* Ids drawn by parent and child of one fork, the parent's first. */
static void draw_on_both_sides(uint64_t ids[2 * PER_PROCESS]) {
    (void)ns_span_id_new(); /* creates the state that a child would inherit */
    int ends[2];
    CHECK(pipe(ends) == 0);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (size_t i = 0; i < PER_PROCESS; i++) ids[i] = ns_span_id_new();
        ssize_t wrote = write(ends[1], ids, PER_PROCESS * sizeof *ids);
        _exit(wrote == (ssize_t)(PER_PROCESS * sizeof *ids) ? 0 : 1);
    }
    for (size_t i = 0; i < PER_PROCESS; i++) ids[i] = ns_span_id_new();
    const size_t bytes = PER_PROCESS * sizeof *ids; /* less than PIPE_BUF: written atomically */
    CHECK(read(ends[0], ids + PER_PROCESS, bytes) == (ssize_t)bytes);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(ends[0]);
    close(ends[1]);
}

static void test_fork_without_generation_repeats(void) {
    /* The control: with a counter that no fork increments, the child repeats the parent. Without this the next test proves
     * nothing. */
    static const _Atomic uint32_t constant = 0;
    uint64_t ids[2 * PER_PROCESS];
    ns_ids_init(&constant);
    draw_on_both_sides(ids);
    CHECK(memcmp(ids, ids + PER_PROCESS, sizeof ids / 2) == 0);
}

static void test_fork_differs(void) {
    uint64_t ids[2 * PER_PROCESS];
    ns_ids_init(&ns_fork_counter);
    draw_on_both_sides(ids);
    CHECK(repeats(ids, 2 * PER_PROCESS) == 0);
    CHECK(ns_fork_generation() == 0); /* this process is not a forked child */
}

int main(void) {
    CHECK(ns_fork_install() == 0 && ns_fork_install() == 0);
    test_generator_vectors();
    test_weak_seed();
    test_network_order();
    test_fork_without_generation_repeats();
    ns_ids_init(&ns_fork_counter);
    test_unique_and_every_bit_used();
    test_threads_differ();
    test_fork_differs();
    return ns_test_summary();
}
