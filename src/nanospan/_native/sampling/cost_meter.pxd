"""What tracing costs this process, for OverheadBudget: see csrc/sampling/ns_cost_meter.h. There is one meter a process."""

from libc.stdint cimport uint32_t, uint64_t

cdef extern from "sampling/ns_cost_meter.h" nogil:
    ctypedef struct ns_meter:
        pass

    ctypedef struct ns_meter_reading:
        uint64_t spans
        uint64_t sampled
        uint64_t timed[2]
        uint64_t nanoseconds[2]
        uint64_t worker

    bint ns_meter_start(ns_meter *meter)
    void ns_meter_sampled(ns_meter *meter)
    void ns_meter_timed(ns_meter *meter, bint sampled, uint64_t nanoseconds)

# By address, so that other modules reach them without a call.
cdef ns_meter *process_meter() noexcept nogil

# How many samplers read the meter: while there is none, nobody else looks at it.
cdef const uint32_t *meter_readers() noexcept nogil

cdef int add_reader() except -1
cdef int remove_reader() noexcept

# To be called by a reader that finds itself in a forked child: sets the meter to zero, once a child.
cdef void meter_after_fork() noexcept
