"""Random trace and span ids as Python integers. `nanospan.ids` defines the public class."""

from libc.stdint cimport uint64_t

from nanospan._native.base cimport generation_address
from nanospan._native.base.patches cimport set_attribute
from nanospan._native.base.pycompat cimport nspy_trace_id
from nanospan._native.context.csrc cimport ns_ids_init, ns_root_ids_new, ns_span_id_new, ns_trace_id_new


cdef uint64_t new_span_id() noexcept nogil:
    return ns_span_id_new()


cdef void new_root_ids(ns_trace_id *trace_id, uint64_t *span_id) noexcept nogil:
    ns_root_ids_new(trace_id, span_id)


cdef class NativeIdGenerator:
    """Non-zero random ids; one generator a thread, reseeded in a forked child."""

    def __setattr__(self, str name, value):
        set_attribute(self, name, value, True, &self.patched)

    def generate_span_id(self):
        """A new 64-bit span id, never 0."""
        return ns_span_id_new()

    def generate_trace_id(self):
        """A new 128-bit trace id, never 0; all bits are random."""
        cdef ns_trace_id new = ns_trace_id_new()
        return nspy_trace_id(new.high, new.low)

    def is_trace_id_random(self):
        """True: the W3C random flag may be set on traces with these ids."""
        return True


ns_ids_init(generation_address())
