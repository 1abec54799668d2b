/* The token bucket, checked against its only promise: at most burst + rate * time tokens. */
#include "sampling/ns_token_bucket.h"

#include <math.h>
#include <pthread.h>

#include "ns_test.h"

#define SECOND UINT64_C(1000000000)

static uint64_t drain(ns_token_bucket *bucket, uint64_t now, uint64_t tokens) {
    uint64_t granted = 0;
    while (granted < 2000000 && ns_token_bucket_take(bucket, now, tokens)) granted++;
    return granted;
}

static void test_burst_and_refill(void) {
    ns_token_bucket bucket;
    const uint64_t starts[] = {0, 1, 12345678901, UINT64_C(17) * 365 * 86400 * SECOND};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        uint64_t start = starts[i];
        ns_token_bucket_init(&bucket, 100, 10);
        CHECK(drain(&bucket, start, 1) == 10);
        CHECK(!ns_token_bucket_take(&bucket, start + SECOND / 100 - 1, 1));
        CHECK(ns_token_bucket_take(&bucket, start + SECOND / 100, 1));
        CHECK(!ns_token_bucket_take(&bucket, start + SECOND / 100, 1));
        CHECK(drain(&bucket, start + SECOND / 100 + SECOND / 20, 1) == 5);
        CHECK(drain(&bucket, start + 3600 * SECOND, 1) == 10); /* an hour of silence fills it, and no more */
    }
}

static void test_whole_burst_at_any_rate(void) {
    const double rates[] = {0.001, 1.0 / 3, 1, 3, 7, 99, 1e3, 1e4 / 3, 3e6, 1e8 / 7};
    const double bursts[] = {1, 2, 3, 10, 1000, 100000};
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++)
        for (size_t b = 0; b < sizeof bursts / sizeof bursts[0]; b++) {
            ns_token_bucket bucket;
            ns_token_bucket_init(&bucket, rates[r], bursts[b]);
            uint64_t granted = drain(&bucket, 5 * SECOND, 1);
            /* Costs are rounded down to a sixteenth of a nanosecond. */
            double slack = bursts[b] * rates[r] / (1e9 * NS_TOKEN_BUCKET_UNITS) * 2;
            CHECK((double)granted >= bursts[b] && (double)granted <= bursts[b] + 1 + bursts[b] * slack);
            CHECK(granted == (uint64_t)bursts[b] || rates[r] > 1e6);
        }
}

static void test_rate(void) {
    const double rates[] = {0.5, 10, 1e3, 1e5};
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        ns_token_bucket bucket;
        ns_token_bucket_init(&bucket, rates[r], 2); /* 1 would lose the rest of the time between two calls */
        uint64_t granted = 0, asks = 200000;
        double seconds = 20000 / rates[r]; /* called ten times as often as allowed */
        for (uint64_t i = 0; i < asks; i++)
            granted += ns_token_bucket_take(&bucket, (uint64_t)((double)i * seconds / (double)asks * 1e9), 1);
        CHECK(granted >= 19999 && granted <= 20002);
    }
}

static void test_many_tokens(void) {
    ns_token_bucket bucket;
    ns_token_bucket_init(&bucket, 1e6, 5e6);                /* bytes */
    CHECK(!ns_token_bucket_take(&bucket, SECOND, 5000001)); /* never more than the burst */
    CHECK(!ns_token_bucket_take(&bucket, SECOND, UINT64_MAX));
    CHECK(ns_token_bucket_take(&bucket, SECOND, 4000000));
    CHECK(!ns_token_bucket_take(&bucket, SECOND, 1000001)); /* all or none */
    CHECK(ns_token_bucket_take(&bucket, SECOND, 1000000));
    CHECK(!ns_token_bucket_take(&bucket, SECOND, 1));
    CHECK(ns_token_bucket_take(&bucket, SECOND, 0));
    CHECK(ns_token_bucket_take(&bucket, 2 * SECOND, 1000000));
    CHECK(!ns_token_bucket_take(&bucket, 2 * SECOND, 1));
}

static void test_arguments(void) {
    ns_token_bucket bucket;
    const double nothing[] = {0, -1, NAN, -INFINITY};
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
        ns_token_bucket_init(&bucket, nothing[i], 10);
        CHECK(!ns_token_bucket_take(&bucket, 0, 1));
        CHECK(!ns_token_bucket_take(&bucket, UINT64_MAX >> 5, 1));
    }
    const double ones[] = {0, 0.5, 1, NAN, -3};
    for (size_t i = 0; i < sizeof ones / sizeof ones[0]; i++) {
        ns_token_bucket_init(&bucket, 1, ones[i]);
        CHECK(drain(&bucket, SECOND, 1) == 1);
    }
    ns_token_bucket_init(&bucket, INFINITY, 1);
    CHECK(drain(&bucket, 0, 1) == 2000000);
    ns_token_bucket_init(&bucket, 1e-30, 1e30); /* a burst that would never be used up, at a rate that never refills it */
    CHECK(ns_token_bucket_take(&bucket, SECOND, 1));
    ns_token_bucket_init(&bucket, 1e-9, 1); /* one in 32 years, taken as one in 4 */
    CHECK(ns_token_bucket_take(&bucket, SECOND, 1));
    CHECK(!ns_token_bucket_take(&bucket, SECOND * 86400 * 365, 1));
}

static void test_clock_that_goes_back(void) {
    ns_token_bucket bucket;
    ns_token_bucket_init(&bucket, 10, 4);
    CHECK(ns_token_bucket_take(&bucket, 100 * SECOND, 2));
    CHECK(!ns_token_bucket_take(&bucket, 50 * SECOND, 1)); /* with another thread's clock all tokens are long gone */
    CHECK(drain(&bucket, 100 * SECOND, 1) == 2);           /* and that cost no other caller a token */
}

/* --- threads ------------------------------------------------------------------------------------------------------- */

enum { THREADS = 4, ASKS = 50000 };

static ns_token_bucket shared;
static _Atomic uint64_t virtual_now;

static void *ask(void *granted) {
    uint64_t mine = 0;
    for (int i = 0; i < ASKS; i++) {
        uint64_t now = atomic_fetch_add_explicit(&virtual_now, 1000, memory_order_relaxed);
        mine += ns_token_bucket_take(&shared, now, 1);
    }
    *(uint64_t *)granted = mine;
    return NULL;
}

static void test_threads(void) {
    ns_token_bucket_init(&shared, 5000, 100);
    pthread_t threads[THREADS];
    uint64_t granted[THREADS], sum = 0;
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, ask, &granted[i]) == 0);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        sum += granted[i];
    }
    /* Called at all times, the bucket was never full, so no token was lost: this is all that remains. */
    sum += drain(&shared, virtual_now, 1);
    double expected = 100 + 5000 * (double)virtual_now * 1e-9;
    CHECK((double)sum >= expected - 2 && (double)sum <= expected + 1);
}

int main(void) {
    test_burst_and_refill();
    test_whole_burst_at_any_rate();
    test_rate();
    test_many_tokens();
    test_arguments();
    test_clock_that_goes_back();
    test_threads();
    return ns_test_summary();
}
