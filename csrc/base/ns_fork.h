/* Detection of a fork without a call of getpid.
 *
 * A pthread_atfork child handler increments one counter, the fork generation. The owner of state that must not survive a
 * fork stores the generation in which the state was created and compares it. pthread_atfork works below Python's own fork
 * hooks, which some servers (uWSGI) skip.
 */
#ifndef NS_FORK_H
#define NS_FORK_H

#include <stdatomic.h>

#include "base/ns_base.h"

/* Written only by the child handler, while the child has a single thread. Relaxed order is therefore enough for every
 * reader. */
extern _Atomic uint32_t ns_fork_counter;

/* Installs the handler once per process. Returns 0 or the error number of pthread_atfork. */
int ns_fork_install(void);

static inline uint32_t ns_fork_generation(void) { return atomic_load_explicit(&ns_fork_counter, memory_order_relaxed); }

#endif
