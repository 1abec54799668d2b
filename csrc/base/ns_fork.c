#include "base/ns_fork.h"

#include <pthread.h>

_Atomic uint32_t ns_fork_counter = 0;

static void in_child(void) { atomic_fetch_add_explicit(&ns_fork_counter, 1, memory_order_relaxed); }

static _Atomic bool installed = false;

int ns_fork_install(void) {
    /* acq_rel: a second caller must return only after some thread has committed to installing the handler. */
    if (atomic_exchange_explicit(&installed, true, memory_order_acq_rel)) return 0;
    return pthread_atfork(NULL, NULL, in_child);
}
