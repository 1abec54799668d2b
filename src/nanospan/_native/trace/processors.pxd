from nanospan._native.encoding.span_view cimport SpanView
from nanospan._native.queue.span_queue cimport NativeBatchProcessor

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
    cdef int ended(self, SpanView *view) except -1
    cdef int end_beside_foreign(self, SpanView *view, tuple native, tuple foreign) except -1
