"""Declarations of pycompat.h."""

from libc.stdint cimport uint8_t, uint64_t

from nanospan._native.base.csrc cimport ns_text

cdef extern from "base/pycompat.h":
    bint has_weakrefs "nspy_has_weakrefs" (object)
    object nspy_trace_id(uint64_t high, uint64_t low)
    int nspy_id_halves(object number, uint64_t *high, uint64_t *low)
    ns_text nspy_text(object text)
    int nspy_id_bytes(object number, uint8_t *out, size_t size)
    Py_hash_t nspy_hash(object text)
