#include "queue/ns_wake.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ns_test.h"

#define SECOND INT64_C(1000000000)

/* Long enough that a sleep without a wake never ends during the test. */
#define FOR_EVER (600 * SECOND)

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

static void test_alone(void) {
    ns_wake wake = {0};
    ns_wake_up(&wake); /* without a sleeper */
    CHECK(atomic_load(&wake.state) == NS_AWAKE);
    CHECK(ns_wake_sleep(&wake, FOR_EVER)); /* not announced: does not sleep */

    int64_t start = now();
    ns_wake_announce(&wake);
    CHECK(!ns_wake_sleep(&wake, 20000000));
    CHECK(now() - start >= 20000000);
    CHECK(atomic_load(&wake.state) == NS_AWAKE);

    ns_wake_announce(&wake);
    CHECK(!ns_wake_sleep(&wake, 0));
    ns_wake_announce(&wake);
    CHECK(!ns_wake_sleep(&wake, -1));

    ns_wake_announce(&wake);
    ns_wake_up(&wake); /* before the sleep */
    ns_wake_up(&wake);
    CHECK(atomic_load(&wake.state) == NS_AWAKE);
    CHECK(ns_wake_sleep(&wake, FOR_EVER));

    ns_wake_announce(&wake);
    ns_wake_cancel(&wake);
    CHECK(ns_wake_sleep(&wake, FOR_EVER));
}

static void test_requests(void) {
    ns_wake wake = {0};
    CHECK(!ns_wake_requested(&wake) && !ns_wake_take_request(&wake));
    ns_wake_request(&wake);
    ns_wake_request(&wake);
    CHECK(ns_wake_requested(&wake)); /* stays until taken */
    CHECK(ns_wake_take_request(&wake));
    CHECK(!ns_wake_requested(&wake) && !ns_wake_take_request(&wake));
    ns_wake_announce(&wake);
    ns_wake_request(&wake);
    CHECK(ns_wake_sleep(&wake, FOR_EVER) && ns_wake_take_request(&wake));
}

/* --- two threads -------------------------------------------------------------------------------------------------- */

typedef struct sleeper {
    pthread_t thread;
    ns_wake wake;
    _Atomic bool announced, returned;
    int64_t timeout;
    bool woken;
} sleeper;

static void *sleep_once(void *argument) {
    sleeper *self = argument;
    ns_wake_announce(&self->wake);
    atomic_store(&self->announced, true);
    self->woken = ns_wake_sleep(&self->wake, self->timeout);
    atomic_store(&self->returned, true);
    return NULL;
}

static void begin_sleeper(sleeper *who, int64_t timeout) {
    *who = (sleeper){.timeout = timeout};
    CHECK(pthread_create(&who->thread, NULL, sleep_once, who) == 0);
    while (!atomic_load(&who->announced)) sched_yield();
}

static void test_woken(void) {
    static const int64_t timeouts[] = {FOR_EVER, INT64_MAX};
    for (int i = 0; i < 2; i++) {
        sleeper who;
        begin_sleeper(&who, timeouts[i]);
        ns_wake_up(&who.wake);
        pthread_join(who.thread, NULL);
        CHECK(who.woken);
    }
}

static void on_signal(int number) { (void)number; }

/* A signal or a stray wake ends one iteration of the sleep, not the sleep. */
static void test_disturbed(void) {
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    sleeper who;
    begin_sleeper(&who, FOR_EVER);
    struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 20; i++) {
        pthread_kill(who.thread, SIGUSR1);
        syscall(SYS_futex, &who.wake.state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        nanosleep(&pause, NULL); /* only gives the test a chance to fail: it passes at any length */
        CHECK(!atomic_load(&who.returned));
    }
    ns_wake_up(&who.wake);
    pthread_join(who.thread, NULL);
    CHECK(who.woken);
}

/* --- no wake is lost ---------------------------------------------------------------------------------------------- */

typedef struct queue {
    ns_wake wake;
    _Atomic uint64_t depth; /* stands for the ring's head */
    uint64_t each;
} queue;

static void *advance(void *argument) {
    queue *self = argument;
    for (uint64_t i = 0; i < self->each; i++) {
        atomic_fetch_add_explicit(&self->depth, 1, memory_order_seq_cst);
        ns_wake_up(&self->wake);
        if (i % 64 == 0) sched_yield();
    }
    return NULL;
}

/* The sleeper waits for one more item at a time. If an announcement and an advance missed each other, it would sleep for its
 * whole ten minutes and the last check would fail. */
static void test_nothing_lost(void) {
    enum { WAKERS = 3 };
    static queue shared = {.each = 20000};
    pthread_t threads[WAKERS];
    uint64_t seen = 0;
    for (int i = 0; i < WAKERS; i++) CHECK(pthread_create(&threads[i], NULL, advance, &shared) == 0);
    while (seen < WAKERS * shared.each) {
        ns_wake_announce(&shared.wake);
        if (atomic_load_explicit(&shared.depth, memory_order_seq_cst) > seen) ns_wake_cancel(&shared.wake);
        else CHECK(ns_wake_sleep(&shared.wake, FOR_EVER));
        /* The wake may be a late one, for an item that was already seen. */
        seen = atomic_load_explicit(&shared.depth, memory_order_seq_cst);
    }
    for (int i = 0; i < WAKERS; i++) pthread_join(threads[i], NULL);
    CHECK(atomic_load(&shared.depth) == WAKERS * shared.each);
}

/* Timeouts race with wakes: whatever the sleep returns, the state is AWAKE and another sleep works. */
static void test_timeout_races(void) {
    for (int i = 0; i < 2000; i++) {
        sleeper who;
        begin_sleeper(&who, i * 50);
        ns_wake_up(&who.wake);
        pthread_join(who.thread, NULL);
        CHECK(atomic_load(&who.wake.state) == NS_AWAKE);
    }
}

int main(void) {
    test_alone();
    test_requests();
    test_woken();
    test_disturbed();
    test_nothing_lost();
    test_timeout_races();
    return ns_test_summary();
}
