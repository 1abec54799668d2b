from cpython.object cimport PyObject

from nanospan._native.base.threads cimport load_flag
from nanospan._native.encoding.span_view cimport SpanView
from nanospan._native.queue cimport NativeBatchProcessor

# Free-threaded build: spans read `only` with an acquire load, without a lock, and the tuples together in the object's
# critical section.
cdef class NativeProcessors:
    cdef bint empty                  # no members
    cdef tuple members               # in insertion order; the next two divide it
    cdef tuple native                # nanospan's own, unless one of their methods was replaced
    cdef tuple foreign
    cdef NativeBatchProcessor only   # the single member if it is native, else None
    cdef list kept_alive             # free-threaded build: earlier values of `only`

    cdef int divide(self) except -1
    cdef int check_patches(self) except -1
    cdef int started(self, SpanView *view, object parent_context) except -1
    cdef int ending(self, object span) except -1
    cdef int ended(self, SpanView *view) except -1
    cdef int end_beside_foreign(self, SpanView *view, tuple native, tuple foreign) except -1

cdef extern from *:
    """
    #ifndef NSPY_ONLY_OF
    #define NSPY_ONLY_OF
    #define nspy_only_of(processors) ((PyObject *)NSPY_LOAD_ACQUIRE((processors)->only))
    #endif
    """
    PyObject *only_of "nspy_only_of"(NativeProcessors processors)


cdef inline bint are_native(PyObject *processors) noexcept:
    """Whether it can be told at once that all members are nanospan's own. Borrowed, because it is read for each span."""
    cdef PyObject *only
    if processors is <PyObject *> None:
        return False
    only = only_of(<NativeProcessors> processors)
    if only is <PyObject *> None:
        return load_flag(&(<NativeProcessors> processors).empty)
    return not load_flag(&(<NativeBatchProcessor> only).patched)


cdef inline int has_foreign(NativeProcessors processors) except -1:
    """Whether some members are not nanospan's own, so that `ending` is to be called before `ended`."""
    processors.check_patches()
    return len(processors.foreign) != 0
