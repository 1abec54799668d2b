# Whether a method of a class is still the one that a shortcut stands for; included by tracer.pyx.
#
# Programs and tests put functions of their own in the place of methods. The interpreter gives a class a new version tag
# whenever it, or a class that it derives from, changes: as long as the tag is the one that was looked at, nothing has.

cdef extern from *:
    """
    #include "base/threads.h"
    static unsigned int nspy_version(PyObject *cls) { return nspy_load(&((PyTypeObject *)cls)->tp_version_tag); }
    """
    unsigned int version_of "nspy_version" (object cls)

cdef struct MethodGuard:
    PyObject *cls         # borrowed: the public classes stay
    PyObject *name
    PyObject *method      # what the shortcut stands for
    uint64_t seen         # the version that was looked at, and in the lowest bit whether the method was in place; 0: look

cdef MethodGuard start_span_guard
cdef MethodGuard end_guard


cdef int guard(MethodGuard *guarded, object cls, str name) except -1:
    method = getattr(cls, name)
    Py_INCREF(cls)
    Py_INCREF(name)
    Py_INCREF(method)
    guarded.cls, guarded.name, guarded.method = <PyObject *> cls, <PyObject *> name, <PyObject *> method
    guarded.seen = 0
    return 0


cdef bint refresh(MethodGuard *guarded) except -1:
    cdef unsigned int before = version_of(<object> guarded.cls)
    cdef bint holds = getattr(<object> guarded.cls, <str> <object> guarded.name) is <object> guarded.method
    cdef unsigned int version = version_of(<object> guarded.cls)
    # The class has a tag only after the first look; a tag that came or changed during this one may belong to another method.
    if not FREE or before == version:
        store_u64(&guarded.seen, <uint64_t> version << 1 | holds)
    return holds


cdef inline bint is_original(MethodGuard *guarded) except -1:
    cdef uint64_t seen = load_u64(&guarded.seen)
    if seen > 1 and seen >> 1 == version_of(<object> guarded.cls):
        return seen & 1
    return refresh(guarded)
