"""The store of spare spans as Cython sees it: declarations of freelist.h, nothing else."""

from cpython.object cimport PyObject

cdef extern from "base/freelist.h":
    ctypedef struct nspy_freelist:
        pass
    object nspy_freelist_take(nspy_freelist *spare, tuple no_arguments)
    void nspy_freelist_dealloc(nspy_freelist *spare, PyObject *instance)
    void nspy_freelist_install(nspy_freelist *spare, object cls, void (*dealloc)(PyObject *) noexcept,
                            int (*reset)(PyObject *) noexcept)
