"""Declarations of freelist.h."""

from cpython.object cimport PyObject

cdef extern from "base/freelist.h":
    ctypedef struct nspy_freelist:
        pass
    object nspy_freelist_take(nspy_freelist *freelist, tuple no_arguments)
    void nspy_freelist_dealloc(nspy_freelist *freelist, PyObject *instance)
    void nspy_freelist_install(nspy_freelist *freelist, object cls, void (*dealloc)(PyObject *) noexcept,
                               int (*reset)(PyObject *) noexcept)
