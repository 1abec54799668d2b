from libc.stdint cimport int64_t, uint8_t, uint32_t

from nanospan._native.encoding.csrc cimport ns_buf, ns_record
from nanospan._native.encoding.span_view cimport EncodeCounts, SpanView

cdef class EncodedBatch:
    cdef uint8_t *body
    cdef size_t size
    cdef ns_record *records  # `data` points into the body
    cdef readonly size_t count
    cdef SourceTable sources
    cdef readonly uint32_t ticket

    # Takes over the framed body, the records and their references to slots. An empty batch is made before a queue is read:
    # without memory for it, no span leaves the queue.
    cdef int adopt(self, uint8_t *body, size_t size, ns_record *records, size_t count, SourceTable sources) noexcept
    cdef EncodedBatch part(self, size_t first, size_t count)


# ns_frame for modules that do not link it; `records` point into the body afterwards. 0 or -1.
cdef int frame_records(ns_record *records, size_t count, SourceTable sources, uint8_t **body,
                       size_t *size) noexcept nogil


cdef class RecordList:
    cdef SourceTable sources
    cdef ns_buf encoded
    cdef ns_record *records  # `data` is an offset until `frame`: the buffer moves as it grows
    cdef size_t count
    cdef size_t room
    cdef EncodeCounts counts
    cdef size_t failed       # spans that could not be encoded

    cdef int append(self, object span) except -1
    cdef int64_t source_of(self, const SpanView *view) except -2
    cdef int make_room(self) except -1
    cdef EncodedBatch frame(self)
