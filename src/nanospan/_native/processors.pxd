from nanospan._native.encoder cimport EncodableSpan
from nanospan._native.queue cimport NativeBatchProcessor

cdef class NativeProcessors:
    cdef tuple members               # in the order in which they were added
    cdef tuple native                # by member, itself if it is nanospan's, else None
    cdef NativeBatchProcessor only   # when there is nothing else
    cdef bint all_native             # none of the members is foreign, unless it is patched

    cdef bint has_foreign(self) noexcept
    cdef tuple foreign_ones(self)
    cdef int started(self, EncodableSpan span, object parent_context) except -1
    cdef int ended(self, EncodableSpan span) except -1
    cdef int end_beside_foreign(self, EncodableSpan span) except -1
