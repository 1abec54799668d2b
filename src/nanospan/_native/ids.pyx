"""Trace and span ids as Python integers; nanospan.ids gives the generator its public class."""

from libc.stdint cimport uint64_t

from nanospan._native.fork cimport generation_address

cdef extern from "ns_ids.h" nogil:
    ctypedef struct ns_trace_id:
        uint64_t high
        uint64_t low
    void ns_ids_init(const void *fork_generation)
    uint64_t ns_span_id_new()
    ns_trace_id ns_trace_id_new()

cdef extern from *:
    """
    /* One integer from 16 bytes, not two shifted together: that would make four Python objects for one. */
    static PyObject *ns_trace_id_object(ns_trace_id id) {
        const uint64_t little_endian[2] = {id.low, id.high};
    #if PY_VERSION_HEX >= 0x030E0000
        return PyLong_FromUnsignedNativeBytes(
            little_endian, sizeof little_endian, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
    #else
        return _PyLong_FromByteArray((const unsigned char *)little_endian, sizeof little_endian, 1, 0);
    #endif
    }
    """
    object ns_trace_id_object(ns_trace_id)


cdef class NativeIdGenerator:
    """Non-zero random ids from a generator that each thread owns and each forked child seeds anew."""

    def generate_span_id(self):
        """A new 64-bit span id, never 0."""
        return ns_span_id_new()

    def generate_trace_id(self):
        """A new 128-bit trace id, never 0; all its bits are random."""
        return ns_trace_id_object(ns_trace_id_new())

    def is_trace_id_random(self):
        """True: the W3C random flag may be set on traces that start with these ids."""
        return True


ns_ids_init(generation_address())
