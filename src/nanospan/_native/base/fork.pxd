from libc.stdint cimport uint32_t

# The address, not the value: other modules read the counter without a call, and there is one counter a process.
cdef const uint32_t *generation_address() noexcept nogil
