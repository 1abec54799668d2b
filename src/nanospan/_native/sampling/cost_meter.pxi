"""The process's cost meter. Spans are counted by csrc; Python code adds the CPU time of exporting."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from nanospan._native.base cimport generation_address
from nanospan._native.base.threads cimport load_u32
from nanospan._native.sampling.csrc cimport (
    ns_cost_meter_read, ns_cost_meter_reading, ns_cost_meter_reset, ns_cost_meter_surround, ns_cost_meter_worker
)

cdef extern from *:
    """
    #include "sampling/ns_cost_meter.h"
    #include <stdint.h>

    static ns_cost_meter nspy_meter;
    static uint32_t nspy_readers;

    static inline uint32_t nspy_exchange(uint32_t *word, uint32_t value) {
        return __atomic_exchange_n(word, value, __ATOMIC_ACQ_REL);
    }

    static inline void nspy_readers_add(int by) { __atomic_fetch_add(&nspy_readers, (uint32_t)by, __ATOMIC_RELAXED); }
    """
    ns_cost_meter meter "nspy_meter"
    const uint32_t readers "nspy_readers"
    void nspy_readers_add(int by) nogil
    uint32_t exchange_generation "nspy_exchange"(uint32_t *word, uint32_t value) nogil

cdef const uint32_t *generation_now = generation_address()
cdef uint32_t meter_generation = generation_now[0]


cdef ns_cost_meter *process_meter() noexcept nogil:
    return &meter

cdef const uint32_t *meter_readers() noexcept nogil:
    return &readers


cdef int add_reader() except -1:
    nspy_readers_add(1)
    return 0


cdef int remove_reader() noexcept:
    nspy_readers_add(-1)
    return 0


cdef void meter_after_fork() noexcept:
    # Several readers may race; only one resets the meter.
    if exchange_generation(&meter_generation, generation_now[0]) != generation_now[0]:
        ns_cost_meter_reset(&meter)


def meter_is_read():
    """Whether any sampler reads the meter."""
    return load_u32(&readers) != 0


def add_worker_time(uint64_t cpu_nanoseconds):
    """Add the CPU time of an export thread, in nanoseconds."""
    ns_cost_meter_worker(&meter, cpu_nanoseconds)


def set_meter_surroundings(uint16_t unsampled, uint16_t sampled, uint16_t call):
    """Set the nanoseconds that surround the timing of a span, by its kind, and that of one further call of it."""
    ns_cost_meter_surround(&meter, unsampled, sampled, call)


def meter_reading():
    """The sums since the process started: spans, the nanoseconds that timed spans cost, and the CPU time of exporting."""
    cdef ns_cost_meter_reading read
    ns_cost_meter_read(&meter, &read)
    return {
        "spans": read.spans,
        "sampled": read.sampled,
        "timed": {"unsampled": read.timed[0], "sampled": read.timed[1]},
        "nanoseconds": {"unsampled": read.nanoseconds[0], "sampled": read.nanoseconds[1]},
        "worker": read.worker,
    }
