"""The fork generation: a counter that pthread_atfork increments in every forked child."""

from libc.stdint cimport uint32_t

from nanospan._native.base.csrc cimport ns_fork_counter, ns_fork_generation, ns_fork_install

cdef const uint32_t *generation_address() noexcept nogil:
    return <const uint32_t *> &ns_fork_counter


def generation() -> int:
    """Number of forks between this process and the one that first imported nanospan."""
    return ns_fork_generation()


if ns_fork_install() != 0:
    raise OSError("pthread_atfork failed: nanospan cannot notice forks")
