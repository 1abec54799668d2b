from libc.stdint cimport uint32_t

# The address of the process's only counter: other modules read it without a call.
cdef const uint32_t *generation_address() noexcept nogil
