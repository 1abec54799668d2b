"""Checks whether a method that native code bypasses was replaced.

Programs and tests replace methods and expect the replacement to be called. It can be in three places, each with one check:

    on the instance   `patched`, a flag that `set_attribute` sets
    on the class      `is_original`, for the public classes; `inherits`, for any class
    in a subclass     `type(instance) is` the public class, by the caller
"""

from cpython.object cimport PyObject, PyObject_GenericSetAttr
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint64_t

from nanospan._native.base.threads cimport FREE, load_u64, store_flag, store_u64

cdef extern from *:
    """
    #include "base/threads.h"
    static inline unsigned int nspy_version_tag(PyObject *cls) { return nspy_load(&((PyTypeObject *)cls)->tp_version_tag); }
    """
    unsigned int version_tag "nspy_version_tag" (object cls)


cdef inline int set_attribute(object instance, object name, object value, bint replaces, bint *patched) except -1:
    """`__setattr__` of a native base class; `replaces`: the name is that of a method that native code bypasses."""
    if replaces:
        store_flag(patched, True)
    PyObject_GenericSetAttr(instance, name, value)
    return 0


cdef inline bint inherits(object cls, object base, tuple names) except -1:
    """Whether a class inherits all these methods from `base`."""
    cdef str name
    for name in names:
        if getattr(cls, name) is not getattr(base, name):
            return False
    return True


# The interpreter invalidates the version tag of a class whenever the class or one of its bases changes: the same tag means
# the same method.
cdef struct MethodGuard:
    PyObject *cls         # owned, like the next two: the public classes are never freed
    PyObject *name
    PyObject *method      # the original
    uint64_t checked      # tag << 1 | method is the original; 0: not checked. Relaxed: tag and answer are one word


cdef inline int guard(MethodGuard *guarded, object cls, str name) except -1:
    method = getattr(cls, name)
    Py_INCREF(cls)
    Py_INCREF(name)
    Py_INCREF(method)
    guarded.cls, guarded.name, guarded.method = <PyObject *> cls, <PyObject *> name, <PyObject *> method
    guarded.checked = 0
    return 0


cdef inline bint refresh(MethodGuard *guarded) except -1:
    cdef unsigned int before = version_tag(<object> guarded.cls)
    cdef bint original = getattr(<object> guarded.cls, <str> <object> guarded.name) is <object> guarded.method
    cdef unsigned int tag = version_tag(<object> guarded.cls)
    # The lookup assigns the tag. Without the interpreter lock, a tag that changed during it may belong to another method.
    if not FREE or before == tag:
        store_u64(&guarded.checked, <uint64_t> tag << 1 | original)
    return original


cdef inline bint is_original(MethodGuard *guarded) except -1:
    cdef uint64_t checked = load_u64(&guarded.checked)
    if checked > 1 and checked >> 1 == version_tag(<object> guarded.cls):
        return checked & 1
    return refresh(guarded)
