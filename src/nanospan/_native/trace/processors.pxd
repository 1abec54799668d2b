from nanospan._native.encoding.span_view cimport SpanView
from nanospan._native.queue.span_queue cimport NativeBatchProcessor

# Without an interpreter lock, `only` is read by every span without a lock; the tuples are read together, in the section of the
# object.
cdef class NativeProcessors:
    cdef bint empty                  # no members
    cdef tuple members               # in the order in which they were added; the next two are their parts
    cdef tuple native                # nanospan's own, as far as nobody has replaced one of their calls
    cdef tuple foreign
    cdef NativeBatchProcessor only   # when there is one member, and it is native
    cdef list kept_alive                 # without an interpreter lock: what `only` was before

    cdef int divide(self) except -1
    cdef int look_at_patches(self) except -1
    cdef int started(self, SpanView *view, object parent_context) except -1
    cdef int ended(self, SpanView *view) except -1
    cdef int end_beside_foreign(self, SpanView *view, tuple native, tuple foreign) except -1
