"""The native span. Its fields are numbers and references; containers are created on first access."""

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from nanospan._native.context cimport ContextCell, Ids, NativeSpanBase
from nanospan._native.encoding.span_view cimport AttributePair, EncodeCounts, SpanView, TraceKey


# Limits of a span's attributes; -1: no limit.
cdef struct Bounds:
    Py_ssize_t attributes
    Py_ssize_t value_length

cdef Bounds bounds_of(object limits) except *


# State that the spans of one tracer share. Immutable once a span refers to it, so reads need no lock: to change a field,
# replace the whole object.
cdef class SpanShared:
    cdef object sampler
    cdef object resource
    cdef object span_processor
    cdef object instrumentation_info
    cdef object instrumentation_scope
    cdef object limits
    cdef NativeProcessors processors     # span_processor if native, else None
    cdef Py_ssize_t max_attributes       # of limits; -1: no limit
    cdef Py_ssize_t max_value_length

    cdef SpanShared copy(self)
    cdef int set_limits(self, object limits, Bounds bounds) except -1
    cdef int set_processor(self, object span_processor) except -1


cdef enum TimeState:
    NO_TIME      # None
    TIME_NUMBER  # nanoseconds since the epoch, in the number field
    TIME_OBJECT  # the caller's object, in SpanColdFields


# Rarely used fields, created on first access: every object field of a span costs two writes to a reference count, even for
# None.
cdef class SpanColdFields:
    cdef object status          # None: UNSET
    cdef object parent_state    # the parent's trace state; None: the default
    cdef object parent_context  # the SpanContext that was assigned to _parent
    cdef object start_object
    cdef object end_object
    cdef object attributes
    cdef object events
    cdef object links
    cdef object lock
    cdef object end_metrics     # called at the end; None: nothing to call
    cdef object trace_config
    cdef list kept_alive_shared  # earlier values of `shared`; other threads may be reading them

    # Exclusion of writes and the end (span_exclusion.pxi). Threads by their ident; 0: none.
    cdef unsigned long writer     # the thread that has the span, `writer_depth` times
    cdef unsigned long ending     # the thread whose _on_ending may change the span, or ANY_THREAD
    cdef uint32_t writer_depth
    cdef uint32_t waiting_ends
    cdef uint32_t waiting         # ends and writes
    cdef unsigned long end_waiter  # the thread whose end waits; its signal handlers may write
    cdef uint32_t fork            # the fork generation in which this holds
    cdef bint given_up            # somebody has waited in vain for the writer


# Result of `stop_clock`.
cdef enum Stop:
    FAILED = -1
    ENDED_BEFORE
    STOPPED
    STOPPED_WITH_METRICS  # the caller must call cold_fields.end_metrics


# Who may change a span after `stop_clock`.
cdef enum Afterwards:
    NOBODY
    THIS_THREAD    # until `seal`
    EVERY_THREAD   # likewise


# Access to a span that other threads may know needs its critical section; fields that are read without it say so.
cdef class SpanFields(NativeSpanBase):
    cdef SpanShared shared    # read without the section, by shared_of (acquire load)
    cdef SpanColdFields cold_fields  # None until needed
    cdef object name
    cdef object kind
    cdef ContextCell parent_cell  # None if there is no parent, or _parent was assigned

    # Bytes, because the size of a span decides how many cache lines it takes.
    cdef uint8_t records_exception
    cdef uint8_t sets_status

    # Whether the current value is here, as numbers, or in `cold_fields`.
    cdef bint has_parent
    cdef bint parent_as_numbers
    cdef TimeState start_state
    cdef TimeState end_state       # read without the section, by is_ended
    cdef bint has_container         # cold_fields.attributes is the SDK's container, or was assigned
    cdef bint has_event_container   # cold_fields.events likewise; before that it is None or a list of NativeEvent
    cdef bint has_link_container    # cold_fields.links likewise; before that it is None or a list of NativeLink

    cdef uint32_t cost  # of a timed span (cost_meter.pxd): nanoseconds spent in its calls; 0: not timed. Atomic

    cdef Ids parent_ids
    cdef uint64_t start_number
    cdef uint64_t end_number

    # Attributes: pairs, oldest first, until the SDK's container is read or assigned, or is needed for an attribute (a key
    # that is not a str, more attributes than the limit).
    #
    #     pairs -> | hash key value | hash key value | ... free
    #
    # The pairs live as long as the span, even after a container has replaced them: an encoder may be reading them.
    cdef AttributePair *pairs
    cdef uint32_t pair_count
    cdef uint32_t pair_capacity

    @cython.final
    cdef SpanColdFields cold(self)
    @cython.final
    cdef int replace_shared(self, SpanShared shared) except -1
    @cython.final
    cdef void set_end_state(self, TimeState state) noexcept
    @cython.final
    cdef object own_status(self)
    @cython.final
    cdef bint is_ended(self) noexcept nogil
    @cython.final
    cdef object container(self)
    @cython.final
    cdef object event_container(self)
    @cython.final
    cdef object link_container(self)
    @cython.final
    cdef bint has_links(self) noexcept


# What a write that may run Python code writes: key and value, a mapping, an SDK event, a link, status and description.
cdef enum Write:
    ATTRIBUTE
    ATTRIBUTES
    EVENT
    LINK
    STATUS


cdef class SpanContent(SpanFields):
    @cython.final
    cdef int put(self, object key, object value) except -1
    @cython.final
    cdef int put_all(self, object attributes) except -1
    @cython.final
    cdef inline bint has_room(self, Py_ssize_t more) noexcept
    @cython.final
    cdef bint insert(self, object key, object value) noexcept
    @cython.final
    cdef bint append(self, object key, object value, Py_hash_t hash) noexcept
    @cython.final
    cdef int write(self, Write kind, object first, object second) except -1
    @cython.final
    cdef int check_mutable(self) except -1
    @cython.final
    cdef int put_status(self, object status, object description) except -1
    @cython.final
    cdef Py_ssize_t event_count(self) except -1
    @cython.final
    cdef int put_item(self, object key, object value) except -1
    @cython.final
    cdef int put_items(self, object attributes) except -1
    @cython.final
    cdef int put_clean(self, object key, object value) except -1
    @cython.final
    cdef int count_dropped(self, Py_ssize_t number) except -1
    @cython.final
    cdef object value_limit(self)
    @cython.final
    cdef int set_links(self, object links) except -1
    @cython.final
    cdef bint keep_links(self, object links) except -1


cdef class NativeSpan(SpanContent):
    @cython.final
    cdef int begin(self, object start_time, object parent_context) except -1
    @cython.final
    cdef Stop stop_clock(self, object end_time, Afterwards afterwards) except FAILED
    @cython.final
    cdef int seal(self) except -1
    @cython.final
    cdef int call_end_metrics(self) except -1
    @cython.final
    cdef int finish(self, object end_time) except -1
    @cython.final
    cdef int finish_timed(self, object end_time) except -1
    @cython.final
    cdef bint is_sampled(self) except -1
    @cython.final
    cdef bint trace_key(self, TraceKey *key) except -1
    @cython.final
    cdef object readable(self)  # a new ReadableSpan
    @cython.final
    cdef int fill_view(self, SpanView *view, EncodeCounts *counts) except -1
    @cython.final
    cdef int fill_from_numbers(self, SpanView *view, EncodeCounts *counts) except -1


cdef class NativeEvent:
    cdef readonly object name
    cdef readonly object timestamp
    cdef readonly dict attributes
    cdef readonly uint32_t dropped_attributes

    cdef object as_sdk_event(self, object limits)


cdef class NativeLink:
    cdef readonly object context
    cdef readonly dict attributes
    cdef readonly uint32_t dropped_attributes
    cdef object link

    cdef object as_sdk_link(self, object limits)


# A new instance of the public class, without ids, name, kind and shared state.
cdef NativeSpan new_span()

# "<type>: <text>" of an exception, as the SDK has it in the status of a span.
cdef str status_text(object exception)

# Whether attributes are certainly empty: of a hostile mapping nothing is certain.
cdef bint is_empty(object attributes) except -1
