"""What tracing costs this process, for OverheadBudget: see csrc/sampling/ns_cost_meter.h. There is one meter a process."""

from libc.stdint cimport uint32_t, uint64_t

from nanospan._native.sampling.csrc cimport ns_cost_meter


# By address, so that other modules reach them without a call.
cdef ns_cost_meter *process_meter() noexcept nogil

# How many samplers read the meter: while there is none, nobody else looks at it.
cdef const uint32_t *meter_readers() noexcept nogil

cdef int add_reader() except -1
cdef int remove_reader() noexcept

# To be called by a reader that finds itself in a forked child: sets the meter to zero, once a child.
cdef void meter_after_fork() noexcept
