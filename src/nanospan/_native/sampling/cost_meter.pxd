"""The process's cost meter, read by OverheadBudget: see csrc/sampling/ns_cost_meter.h."""

from libc.stdint cimport uint32_t, uint64_t

from nanospan._native.sampling.csrc cimport ns_cost_meter


# Addresses, so that other modules read the data without a call.
cdef ns_cost_meter *process_meter() noexcept nogil

# Number of samplers that read the meter. At 0, tracers do not measure.
cdef const uint32_t *meter_readers() noexcept nogil

cdef int add_reader() except -1
cdef int remove_reader() noexcept

# Called by each reader in a forked child; the first call resets the meter.
cdef void meter_after_fork() noexcept
