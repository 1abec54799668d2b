"""Who a span is, as numbers, and the spans that carry nothing else."""

cimport cython
from cpython.long cimport PyLong_AsLongAndOverflow, PyLong_FromUnsignedLongLong
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport uint8_t, uint64_t

from opentelemetry.trace import SpanContext, TraceFlags, TraceState
from opentelemetry.trace.span import DEFAULT_TRACE_STATE

from nanospan._native.encoder cimport EncodableSpan

cdef extern from "pyshim.h":
    object nspy_trace_id(uint64_t high, uint64_t low)
    int nspy_id_halves(object number, uint64_t *high, uint64_t *low)

cdef extern from *:
    """
    static int nspy_has_weakrefs(PyObject *self) {
        PyObject **list = PyObject_GET_WEAKREFS_LISTPTR(self);
        return list && *list;
    }
    """
    bint has_weakrefs "nspy_has_weakrefs" (object)

cdef object span_context_type = SpanContext
cdef object default_trace_state = DEFAULT_TRACE_STATE
cdef object new_tuple = tuple.__new__
cdef tuple all_flags = tuple([TraceFlags(bits) for bits in range(256)])


cdef bint try_positions():
    """Whether a SpanContext is still the tuple that its type parameters say it is."""
    flags, state = TraceFlags(TraceFlags.SAMPLED), TraceState([("a", "b")])
    for remote in (True, False):
        for span_id in (0, 2):
            seen = SpanContext(1, span_id, remote, flags, state)
            if not isinstance(seen, tuple) or tuple(seen) != (1, span_id, remote, flags, state, span_id == 2):
                return False
    return True


# A release that moves the positions costs time, not correctness.
cdef bint positions_hold = try_positions()


cdef bint context_is_tuple() noexcept:
    return positions_hold


cdef object make_context(const Ids *ids, object trace_state):
    trace_id = nspy_trace_id(ids.trace_high, ids.trace_low)
    span_id = PyLong_FromUnsignedLongLong(ids.span)
    flags = all_flags[ids.flags]
    if trace_state is None:
        trace_state = default_trace_state
    if not positions_hold:
        return span_context_type(trace_id, span_id, bool(ids.is_remote), flags, trace_state)
    fields = (trace_id, span_id, bool(ids.is_remote), flags, trace_state, bool(ids_are_valid(ids)))
    return new_tuple(span_context_type, fields)


cdef bint read_context(object context, Ids *ids, BorrowedState *trace_state) except -1:
    cdef uint64_t nothing
    cdef int overflow = 0
    cdef long bits
    if positions_hold and type(context) is span_context_type:
        trace_id = <object> PyTuple_GET_ITEM(context, 0)
        span_id = <object> PyTuple_GET_ITEM(context, 1)
        remote = <object> PyTuple_GET_ITEM(context, 2)
        flags = <object> PyTuple_GET_ITEM(context, 3)
        state = <object> PyTuple_GET_ITEM(context, 4)
    elif isinstance(context, span_context_type):
        trace_id, span_id, remote = context.trace_id, context.span_id, context.is_remote
        flags, state = context.trace_flags, context.trace_state
    else:
        return False
    if nspy_id_halves(trace_id, &ids.trace_high, &ids.trace_low) != 0:
        return False
    if nspy_id_halves(span_id, &nothing, &ids.span) != 0 or nothing:
        return False
    if not isinstance(flags, int):
        return False
    bits = PyLong_AsLongAndOverflow(flags, &overflow)
    if overflow or not 0 <= bits <= 255:
        return False
    ids.flags = <uint8_t> bits
    ids.is_remote = bool(remote)
    # Borrowed from the context: exact SpanContexts are immutable. Of anything else it may be a new object each time.
    trace_state.state = NULL if state is default_trace_state else <void *> state
    return type(context) is span_context_type


cdef extern from "spare.h":
    ctypedef struct nspy_spare:
        pass
    object nspy_spare_take(nspy_spare *spare, tuple no_arguments)
    void nspy_spare_dealloc(nspy_spare *spare, PyObject *instance)
    void nspy_spare_install(nspy_spare *spare, object cls, void (*dealloc)(PyObject *) noexcept,
                            int (*reset)(PyObject *) noexcept)
    PyObject *nspy_dict_slot(Identified)
    void nspy_dict_slot_clear(Identified)
    void nspy_dict_offset_set(Identified, PyObject *cls)


@cython.no_gc_clear  # what a span refers to can break a cycle; NULL in its dict slot must not become None
cdef class Identified(EncodableSpan):
    """A span that knows its ids as numbers."""

    def __cinit__(self):
        nspy_dict_slot_clear(self)

    cdef bint forget(self) except -1:
        if nspy_dict_slot(self) is not NULL or has_weakrefs(self):
            return False
        self.as_numbers = False
        if self.has_context:
            self.has_context = False
            self.context = None
        if self.trace_state is not None:
            self.trace_state = None
        return True

    cdef object span_context(self):
        if not self.has_context:
            self.context = make_context(&self.ids, self.trace_state)
            self.has_context = True
        return self.context

    cdef int adopt(self, object context) except -1:
        cdef BorrowedState state
        state.state = NULL
        self.as_numbers = read_context(context, &self.ids, &state)
        self.trace_state = <object> state.state if self.as_numbers and state.state is not NULL else None
        self.context = context
        self.has_context = True
        return 0

    def get_span_context(self):
        """The `opentelemetry.trace.SpanContext` of this span."""
        return self.span_context()

    @property
    def _context(self):
        return self.span_context()

    @_context.setter
    def _context(self, context):
        self.adopt(context)


@cython.no_gc_clear  # what a span refers to can break a cycle; NULL in its dict slot must not become None
cdef class NativeNonRecordingSpan(Identified):
    """Does nothing but carry its SpanContext. `nanospan.NonRecordingSpan` is its public class."""

    def is_recording(self):
        """False."""
        return False

    def end(self, end_time=None):
        pass

    def set_attribute(self, key, value):
        pass

    def set_attributes(self, attributes):
        pass

    def add_event(self, name, attributes=None, timestamp=None):
        pass

    def add_link(self, context, attributes=None):
        pass

    def update_name(self, name):
        pass

    def set_status(self, status, description=None):
        pass

    def record_exception(self, exception, attributes=None, timestamp=None, escaped=False):
        pass


# --- spare instances --------------------------------------------------------------------------------------------------

cdef int inherit_dict_slot(object cls) except -1:
    cdef Identified any_instance = Identified.__new__(Identified)
    nspy_dict_offset_set(any_instance, <PyObject *> cls)
    return 0


inherit_dict_slot(Identified)
inherit_dict_slot(NativeNonRecordingSpan)

cdef nspy_spare spare
cdef tuple no_arguments = ()


cdef void dealloc(PyObject *span) noexcept:
    nspy_spare_dealloc(&spare, span)


cdef int reset(PyObject *span) noexcept:
    try:
        return (<Identified> span).forget()
    except BaseException:
        return False


def bind_non_recording_class(cls):
    """Names the public class of spans that were sampled out, once, at import."""
    nspy_spare_install(&spare, cls, dealloc, reset)
    return cls


cdef NativeNonRecordingSpan new_non_recording_span():
    return <NativeNonRecordingSpan> nspy_spare_take(&spare, no_arguments)
