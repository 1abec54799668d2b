#include "queue/ns_wake.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool ns_wake_sleep(ns_wake *wake, int64_t timeout_ns) {
    int64_t deadline = now_ns() + timeout_ns;
    /* acquire: pairs with the waker's swap, so everything before the wake is visible */
    while (atomic_load_explicit(&wake->state, memory_order_acquire) == NS_ASLEEP) {
        int64_t left = deadline - now_ns();
        if (left <= 0) {
            /* Decides a race with a waker: the thread whose exchange finds ASLEEP wins. */
            return atomic_exchange_explicit(&wake->state, NS_AWAKE, memory_order_acq_rel) != NS_ASLEEP;
        }
        struct timespec wait = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
        /* Returns at once if the state is no longer ASLEEP. A signal or a spurious wake ends one iteration only. */
        syscall(SYS_futex, &wake->state, FUTEX_WAIT_PRIVATE, NS_ASLEEP, &wait, NULL, 0);
    }
    return true;
}

void ns_wake_slow(ns_wake *wake) {
    uint32_t asleep = NS_ASLEEP;
    /* seq_cst like the preceding load. The release part makes everything before the wake visible to the sleeper. */
    if (atomic_compare_exchange_strong_explicit(&wake->state, &asleep, NS_AWAKE, memory_order_seq_cst, memory_order_relaxed))
        syscall(SYS_futex, &wake->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
