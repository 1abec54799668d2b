"""The store of spare spans as Cython sees it: declarations of freelist.h, nothing else."""

from cpython.object cimport PyObject

cdef extern from "base/freelist.h":
    ctypedef struct nspy_spare:
        pass
    object nspy_spare_take(nspy_spare *spare, tuple no_arguments)
    void nspy_spare_dealloc(nspy_spare *spare, PyObject *instance)
    void nspy_spare_install(nspy_spare *spare, object cls, void (*dealloc)(PyObject *) noexcept,
                            int (*reset)(PyObject *) noexcept)
