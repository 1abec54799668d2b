from libc.stdint cimport uint32_t, uint64_t

from nanospan._native.encoding.csrc cimport ns_buf
from nanospan._native.encoding.span_view cimport EncodeCounts, SpanCalls, SpanView

# What is asked of a span before it becomes bytes: conventions and redaction (contract/contract.pxi).
cdef class SpanContract:
    # May replace any reference of the filled view, and its pairs. 0; 1: the span must not leave the process.
    cdef int apply(self, SpanView *view, EncodeCounts *counts) except -1
    # The attributes of a resource or scope, and a text of it such as its name, as they may leave the process.
    cdef object shared_attributes(self, object attributes)
    cdef object shared_text(self, object text)
    # In a forked child: its counts start at zero.
    cdef int after_fork(self) except -1
    # For exporters that take objects: the ReadableSpan itself or a changed copy; None: it must not leave the process.
    cdef object allowed(self, object span)

cdef enum Outcome:
    ENCODED = 0
    UNUSABLE = 1
    WITHHELD = 2  # by the contract

# Fills the view and writes the body of one Span message. Raises only a BaseException that is not an Exception (such as
# KeyboardInterrupt), from Python code of an attribute value. The caller clears the view first, then sets its contract, and
# releases it afterwards.
cdef int encode_span(ns_buf *buf, SpanView *view, EncodeCounts *counts) except -1

# The calls of a ReadableSpan, and of every object with its properties.
cdef const SpanCalls *readable_calls() noexcept nogil

# `fill` of those calls, for another object than `view.span`.
cdef int fill_from_readable(SpanView *view, object span, EncodeCounts *counts) except -1

# Nanoseconds since the epoch, clamped to the range of OTLP.
cdef uint64_t time_of(object value, EncodeCounts *counts) except? 0

# The dropped count of the SDK's bounded containers; 0 for any other object.
cdef uint32_t dropped_attributes_of(object attributes, EncodeCounts *counts) except? 0
cdef uint32_t dropped_items_of(object items, EncodeCounts *counts) except? 0

# The fields of this process that a limit of the interpreter, or memory, has cost so far; an object may be whole when it is
# read again. `note_starved` counts one if `error` is of that kind.
cdef uint64_t starvations() noexcept nogil
cdef int note_starved(object error) noexcept

# Complete fields of ResourceSpans and ScopeSpans.
cdef bytes encode_resource(object resource, SpanContract contract, EncodeCounts *counts)
cdef bytes encode_scope(object scope, SpanContract contract, EncodeCounts *counts)
cdef bytes encode_schema_url(object owner, SpanContract contract, EncodeCounts *counts)

cdef void buffer_free(ns_buf *buf) noexcept nogil
