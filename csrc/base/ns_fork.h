/* Noticing a fork without asking for the process id.
 *
 * A pthread_atfork child handler advances one counter; whoever owns state that must not cross a fork keeps the value
 * it was made under and compares. pthread_atfork runs below Python's own hooks, which some servers (uWSGI) skip.
 */
#ifndef NS_FORK_H
#define NS_FORK_H

#include <stdatomic.h>

#include "base/ns_base.h"

/* Written only by the child handler, when the child has one thread: relaxed order is enough for every reader. */
extern _Atomic uint32_t ns_fork_counter;

/* Installs the handler, once a process. Returns 0, or the error number of pthread_atfork. */
int ns_fork_install(void);

static inline uint32_t ns_fork_generation(void) {
    return atomic_load_explicit(&ns_fork_counter, memory_order_relaxed);
}

#endif
