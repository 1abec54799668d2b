"""Identity of a span as numbers, and the spans that have nothing else."""

cimport cython
from cpython.long cimport PyLong_AsLongAndOverflow, PyLong_FromUnsignedLongLong
from cpython.object cimport PyObject, PyObject_GenericGetAttr
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport uint8_t, uint64_t

from opentelemetry.trace import Link, SpanContext, TraceFlags, TraceState
from opentelemetry.trace.span import DEFAULT_TRACE_STATE

from nanospan._native.base.freelist cimport nspy_freelist, nspy_freelist_dealloc, nspy_freelist_install, nspy_freelist_take
from nanospan._native.base.patches cimport set_attribute
from nanospan._native.base.pycompat cimport has_weakrefs, nspy_id_halves, nspy_trace_id
from nanospan._native.base.threads cimport enter, leave, load_flag, nspy_section, store_flag
from nanospan._compat import sdk as private

cdef extern from "Python.h":
    object PyObject_GenericGetDict(object, void *)

cdef frozenset own_names = frozenset(private.SPAN_FIELDS)
cdef object span_context_type = SpanContext
cdef object default_trace_state = DEFAULT_TRACE_STATE
cdef object new_tuple = tuple.__new__
cdef tuple all_flags = tuple(map(TraceFlags, range(256)))


cdef bint try_positions():
    """Whether a SpanContext is the tuple that identity.pxd describes."""
    flags, state = TraceFlags(TraceFlags.SAMPLED), TraceState([("a", "b")])
    for remote in (True, False):
        for span_id in (0, 2):
            made = SpanContext(1, span_id, remote, flags, state)
            if not isinstance(made, tuple) or tuple(made) != (1, span_id, remote, flags, state, span_id == 2):
                return False
    return True


# A release in which this fails costs time, not correctness.
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
    cdef Ids read
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
    if nspy_id_halves(trace_id, &read.trace_high, &read.trace_low) != 0:
        return False
    if nspy_id_halves(span_id, &nothing, &read.span) != 0 or nothing:
        return False
    if not isinstance(flags, int):
        return False
    bits = PyLong_AsLongAndOverflow(flags, &overflow)
    if overflow or not 0 <= bits <= 255:
        return False
    read.flags = <uint8_t> bits
    read.is_remote = bool(remote)
    ids[0] = read
    # Borrowed: an exact SpanContext is immutable. Any other class may return a new object from each read.
    trace_state.state = NULL if state is default_trace_state else <void *> state
    return type(context) is span_context_type


cdef object api_link = Link
cdef str LINK_CONTEXT = private.LINK_CONTEXT


cdef bint try_link():
    context, attributes = SpanContext(1, 1, True), {"a": 1}
    made = Link(context, attributes)
    return vars(made) == {LINK_CONTEXT: context, private.LINK_ATTRIBUTES: attributes} and made.context is context


# A release in which this fails costs time, not correctness.
cdef bint link_has_two_fields = try_link()


cdef bint link_is_plain() noexcept:
    return link_has_two_fields


cdef object context_of_link(object link):
    if link_has_two_fields and type(link) is api_link:
        return PyObject_GenericGetAttr(link, LINK_CONTEXT)
    return link.context


@cython.final
@cython.no_gc  # a SpanContext cannot be part of a cycle
@cython.freelist(64)
cdef class ContextCell:
    """A SpanContext that a span and its children share."""

    @cython.critical_section
    cdef object shared_context(self, const Ids *ids, object trace_state):
        # Creating it may run Python code, so another thread may have won; keep the first.
        if self.context is None:
            made = make_context(ids, trace_state)
            if self.context is None:
                self.context = made
        return self.context


cdef class NativeSpanBase:
    """Base of every native span: the ids as numbers."""

    def __setattr__(self, str name, value):
        # The SDK's private names are properties; any other name is the application's and may replace a method.
        set_attribute(self, name, value, name not in own_names, &self.patched)

    cdef bint forget(self) except -1:
        if self.patched or has_weakrefs(self):
            return False
        self.as_numbers = False
        if self.has_context:
            self.has_context = False
            self.context = None
        if self.trace_state is not None:
            self.trace_state = None
        if self.cell is not None:
            self.cell = None
        return True

    cdef object span_context(self):
        cdef nspy_section section
        enter(&section, self)
        try:
            if not self.has_context:
                if self.cell is None:
                    made = make_context(&self.ids, self.trace_state)
                else:
                    made = self.cell.shared_context(&self.ids, self.trace_state)
                if not self.has_context:  # creating it may have let another thread in; keep the first
                    self.context = made
                    self.has_context = True
            return self.context
        finally:
            leave(&section)

    cdef ContextCell shared_cell(self):
        cdef nspy_section section
        enter(&section, self)
        try:
            if self.cell is None:
                self.cell = ContextCell.__new__(ContextCell)
                if self.has_context:
                    self.cell.context = self.context
            return self.cell
        finally:
            leave(&section)

    cdef int adopt(self, object context) except -1:
        cdef BorrowedState state
        cdef Ids ids
        cdef bint as_numbers
        state.state = NULL
        as_numbers = read_context(context, &ids, &state)  # may run Python code: no field is changed before
        _old = self.context, self.trace_state, self.cell  # released last: their destructors may run Python code
        self.as_numbers = as_numbers
        if as_numbers:
            self.ids = ids
        self.trace_state = <object> state.state if as_numbers and state.state is not NULL else None
        self.context = context
        self.has_context = True
        self.cell = None  # started children keep their parent's old context
        return 0

    def get_span_context(self):
        """The `opentelemetry.trace.SpanContext` of this span."""
        return self.span_context()

    @property
    def _context(self):
        return self.span_context()

    @_context.setter
    @cython.critical_section
    def _context(self, context):
        self.adopt(context)


cdef class NativeNonRecordingSpan(NativeSpanBase):
    """A span with only a SpanContext. `nanospan.NonRecordingSpan` is its public class."""

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


# --- free list --------------------------------------------------------------------------------------------------------

def own_dict(span):
    """``__dict__`` of the public classes. Marks the span as patched, because the caller may change the dict."""
    store_flag(&(<NativeSpanBase?> span).patched, True)
    return PyObject_GenericGetDict(span, NULL)


cdef nspy_freelist free_list
cdef object non_recording_class = None
cdef tuple no_arguments = ()


cdef void dealloc(PyObject *span) noexcept:
    nspy_freelist_dealloc(&free_list, span)


cdef int reset(PyObject *span) noexcept:
    try:
        return (<NativeSpanBase> span).forget()
    except BaseException:
        return False


def bind_non_recording_class(cls):
    """Class decorator: sets the public class of sampled-out spans and gives it a free list; once, at import."""
    global non_recording_class
    non_recording_class = cls
    nspy_freelist_install(&free_list, cls, dealloc, reset)
    return cls


cdef object span_class = None


cdef int set_span_class(object cls) except -1:
    global span_class
    span_class = cls
    return 0


cdef bint has_native_ids(object span) noexcept:
    cdef nspy_section section
    cdef bint as_numbers
    if type(span) is not span_class and type(span) is not non_recording_class:
        return False
    enter(&section, span)
    as_numbers = (<NativeSpanBase> span).as_numbers
    leave(&section)
    return as_numbers and not load_flag(&(<NativeSpanBase> span).patched)


cdef NativeNonRecordingSpan new_non_recording_span():
    return <NativeNonRecordingSpan> nspy_freelist_take(&free_list, no_arguments)
