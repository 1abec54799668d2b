"""The W3C trace context propagator; C reads both headers and writes `traceparent`. `nanospan.propagation` defines the public
class.

The common case is handled here: ASCII strings, ids within range. Everything else is passed to the API's own propagator,
together with the headers read so far, so that no header is read from a carrier twice.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError, PyDict_SetItem, PyDict_Size
from cpython.object cimport PyObject, PyTypeObject
from cpython.tuple cimport PyTuple_GET_ITEM

from nanospan._native.base.csrc cimport NS_TEXT_UTF8, ns_text
from nanospan._native.base.pycompat cimport nspy_text, nspy_trace_id
from nanospan._native.base.threads cimport enter, leave, nspy_section
from nanospan._native.context.csrc cimport (
    NS_TRACEPARENT_LENGTH, NS_TRACEPARENT_MAX_LENGTH, NS_TRACESTATE_END, NS_TRACESTATE_MALFORMED, NS_TRACESTATE_MAX_MEMBERS,
    ns_traceparent, ns_traceparent_read, ns_traceparent_write, ns_tracestate_is_level1_key, ns_tracestate_member,
    ns_tracestate_next, ns_tracestate_step
)
from nanospan._native.context cimport (
    BorrowedState, Ids, NativeSpanBase, context_is_dict, context_is_tuple, context_with, has_native_ids, ids_are_valid,
    make_context, read_context, signal, span_in
)

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import default_getter, default_setter
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator as ApiPropagator

from nanospan._compat.trace_state import Level2TraceState

cdef extern from "Python.h":
    object PyType_GenericAlloc(PyTypeObject *, Py_ssize_t)
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    object PyUnicode_FromStringAndSize(const char *text, Py_ssize_t size)
    void *PyUnicode_DATA(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)

cdef object context_type = Context
cdef object non_recording_type = NonRecordingSpan
cdef object trace_flags_type = TraceFlags
cdef object getter_of_mappings = default_getter
cdef object setter_of_mappings = default_setter
cdef object invalid_span_context = INVALID_SPAN_CONTEXT

cdef str TRACEPARENT = "traceparent"
cdef str TRACESTATE = "tracestate"

# Longer values go to the API, whose newer releases reject them with a warning.
cdef enum:
    MAX_TRACESTATE = 8192

cdef object empty_context = Context()


# ---- traceparent ----

cdef enum Verdict:
    READ
    REFUSED
    UNUSUAL  # only the API's own code can read it


cdef Verdict read_traceparent(object header, ns_traceparent *parsed) noexcept:
    cdef ns_text text
    if not isinstance(header, str):
        return UNUSUAL
    text = nspy_text(header)
    if text.width != NS_TEXT_UTF8 or text.length > NS_TRACEPARENT_MAX_LENGTH:
        return UNUSUAL
    return READ if ns_traceparent_read(<const char *> text.data, text.length, parsed) else REFUSED

cdef object write_traceparent(const Ids *ids):
    text = PyUnicode_New(NS_TRACEPARENT_LENGTH, 127)
    ns_traceparent_write(<char *> PyUnicode_DATA(text), ids.trace_high, ids.trace_low, ids.span, ids.flags)
    return text


cdef bint has_exact_numbers(object span_context) noexcept:
    """Whether all numbers of a SpanContext are exactly int or TraceFlags: subclasses may format differently."""
    flags = type(<object> PyTuple_GET_ITEM(span_context, 3))
    return (
        type(<object> PyTuple_GET_ITEM(span_context, 0)) is int
        and type(<object> PyTuple_GET_ITEM(span_context, 1)) is int
        and (flags is trace_flags_type or flags is int)
    )

cdef object traceparent_of(object span_context, BorrowedState *trace_state):
    cdef Ids ids
    if not read_context(span_context, &ids, trace_state) or not has_exact_numbers(span_context):
        return None
    # For trace id 0 the API's code decides by the other fields whether there is a header.
    if not ids.trace_high | ids.trace_low:
        return None
    return write_traceparent(&ids)


# ---- objects created without their constructors, if the checks at import allow it ----

cdef object span_context_field():
    """The name of the only field of a NonRecordingSpan; None if the class does more than set that field."""
    made = vars(NonRecordingSpan(INVALID_SPAN_CONTEXT))
    if NonRecordingSpan.__new__ is not object.__new__ or NonRecordingSpan.__setattr__ is not object.__setattr__:
        return None
    return next(iter(made)) if list(made.values()) == [INVALID_SPAN_CONTEXT] else None


cdef bint reads_and_writes_as_the_api():
    """Whether this release's propagator reads and writes as csrc/context/ns_traceparent.h does."""
    cdef ns_traceparent parsed
    cdef BorrowedState trace_state
    api = ApiPropagator()
    trace_id, span_id = 0x0af7651916cd43dd8448eb211c80319c, 0xb7ad6b7169203331
    ids = f"{trace_id:032x}-{span_id:016x}"
    headers = (
        f"00-{ids}-01", f" \t00-{ids}-ff\t \n", f"cc-{ids}-02-later", f"00-{ids}-01-later", f"ff-{ids}-01",
        f"00-{ids}-01\n\n", f"00-{ids}-0A", f"00-{0:032x}-{1:016x}-01", f"00-{1:032x}-{0:016x}-01",
        f"01-{ids}-00-".ljust(NS_TRACEPARENT_MAX_LENGTH),
    )
    for header in headers:
        context = api.extract({TRACEPARENT: header})
        if (read_traceparent(header, &parsed) == READ) != bool(context):
            return False
        if context and tuple(get_current_span(context).get_span_context()) != (
            trace_id, span_id, True, parsed.flags, TraceState(), True
        ):
            return False
    for flags in (0, 3, 255):
        given = SpanContext(trace_id, span_id, False, TraceFlags(flags))
        carrier = {}
        api.inject(carrier, set_span_in_context(NonRecordingSpan(given), Context()))
        if carrier != {TRACEPARENT: traceparent_of(given, &trace_state)}:
            return False
    return set(api.fields) == {TRACEPARENT, TRACESTATE}

cdef object context_field = span_context_field()
cdef bint same_as_api = context_is_tuple() and reads_and_writes_as_the_api()

cdef object trace_state_field():
    """The name of the only field of a TraceState, a dict; None if the class is made in another way."""
    made = vars(TraceState([("a", "1")]))
    if TraceState.__new__ is not object.__new__ or TraceState.__setattr__ is not object.__setattr__:
        return None
    return next(iter(made)) if list(made.values()) == [{"a": "1"}] else None

cdef object trace_state_type = TraceState
cdef object pairs_field = trace_state_field()

cdef object with_span(object span, object context):
    """A Context with the span in it; `context` None: an empty one."""
    return context_with(empty_context if context is None else context, span)

cdef object remote_span(const ns_traceparent *parent, object trace_state):
    """A span of another process; `trace_state` None: empty."""
    cdef Ids ids
    ids.trace_high = parent.trace_id_high
    ids.trace_low = parent.trace_id_low
    ids.span = parent.span_id
    ids.flags = parent.flags
    ids.is_remote = True
    span_context = make_context(&ids, trace_state)
    if context_field is None:
        return NonRecordingSpan(span_context)
    span = PyType_GenericAlloc(<PyTypeObject *> non_recording_type, 0)
    setattr(span, context_field, span_context)
    return span


# ---- tracestate ----

cdef bint are_short_text(object headers):
    """Whether tracestate headers are all str and short enough when joined by commas."""
    cdef Py_ssize_t length = len(headers) - 1
    for header in headers:
        if not isinstance(header, str):
            return False
        length += PyUnicode_GET_LENGTH(header)
    return length <= MAX_TRACESTATE

cdef object read_tracestate(object headers):
    """The TraceState of a list or tuple of headers, which are short text; None if they have no member.

    The first of several members with one key counts: each vendor writes its own in front. The API, which logs why, refuses
    what is malformed.
    """
    cdef dict pairs = {}
    cdef ns_tracestate_member member
    cdef ns_tracestate_step step
    cdef ns_text text
    cdef const char *at
    cdef const char *end
    cdef Py_ssize_t count = 0
    cdef bint level1 = True
    for header in headers:
        text = nspy_text(header)
        if text.width != NS_TEXT_UTF8:
            return trace_state_type.from_header(headers)
        at = <const char *> text.data
        end = at + text.length
        while True:
            step = ns_tracestate_next(&at, end, &member)
            if step == NS_TRACESTATE_END:
                break
            if step == NS_TRACESTATE_MALFORMED or count == NS_TRACESTATE_MAX_MEMBERS:
                return trace_state_type.from_header(headers)
            count += 1
            key = PyUnicode_FromStringAndSize(member.key, member.key_length)
            if key in pairs:
                continue
            pairs[key] = PyUnicode_FromStringAndSize(member.value, member.value_length)
            level1 = level1 and ns_tracestate_is_level1_key(member.key, member.key_length)
    if not pairs:
        return None
    if not level1:
        return Level2TraceState(list(pairs.items()))
    if pairs_field is None:
        return trace_state_type(list(pairs.items()))
    state = PyType_GenericAlloc(<PyTypeObject *> trace_state_type, 0)
    setattr(state, pairs_field, pairs)
    return state


# ---- extract ----

cdef class ReplayedGetter:
    """A getter that first returns the results already read, in their order, then calls the original getter."""

    cdef object getter
    cdef list results

    def get(self, carrier, key):
        return self.results.pop(0) if self.results else self.getter.get(carrier, key)

    def keys(self, carrier):
        return self.getter.keys(carrier)

cdef object extract_with_api(object propagator, object carrier, object context, object getter, list results):
    cdef ReplayedGetter replayed = ReplayedGetter()
    replayed.getter = getter
    replayed.results = results
    return ApiPropagator.extract(propagator, carrier, context, replayed)

cdef object context_or_empty(object context):
    return Context() if context is None else context


cdef object extract_by_getter(object propagator, object carrier, object context, object getter):
    cdef ns_traceparent parent
    cdef Verdict verdict
    headers = getter.get(carrier, TRACEPARENT)
    if headers is None:
        return context_or_empty(context)
    if not isinstance(headers, (list, tuple)):
        return extract_with_api(propagator, carrier, context, getter, [headers])
    # Several headers contradict each other: the trace begins anew. (The API takes the first.)
    verdict = read_traceparent(headers[0], &parent) if len(headers) == 1 else REFUSED
    if verdict == REFUSED:
        if headers:
            signal("link.invalid")
        return context_or_empty(context)
    if verdict == UNUSUAL:
        return extract_with_api(propagator, carrier, context, getter, [headers])
    states = getter.get(carrier, TRACESTATE)
    if states is None:
        return with_span(remote_span(&parent, None), context)
    if not isinstance(states, (list, tuple)) or not are_short_text(states):
        return extract_with_api(propagator, carrier, context, getter, [headers, states])
    return with_span(remote_span(&parent, read_tracestate(states)), context)

cdef object extract_from_dict(object propagator, dict carrier, object context):
    cdef ns_traceparent parent
    header = carrier.get(TRACEPARENT)
    cdef Verdict verdict = REFUSED if header is None else read_traceparent(header, &parent)
    if verdict == REFUSED:
        if header is not None:
            signal("link.invalid")
        return context_or_empty(context)
    if verdict == READ:
        state = carrier.get(TRACESTATE)
        if state is None:
            return with_span(remote_span(&parent, None), context)
        if isinstance(state, str) and PyUnicode_GET_LENGTH(state) <= MAX_TRACESTATE:
            return with_span(remote_span(&parent, read_tracestate((state,))), context)
    return extract_by_getter(propagator, carrier, context, getter_of_mappings)


# ---- inject ----

# Tests of applications replace get_current_span in opentelemetry.trace.
cdef dict names_of_trace = vars(trace)


cdef bint get_current_span_is_original() except -1:
    return <PyObject *> get_current_span is PyDict_GetItemWithError(names_of_trace, "get_current_span")


cdef int put(object carrier, object setter, str name, object text) except -1:
    if setter is setter_of_mappings and type(carrier) is dict:
        PyDict_SetItem(carrier, name, text)
    else:
        setter.set(carrier, name, text)
    return 0


# ---- the propagator ----

cdef object propagator_class = None


def bind_propagator_class(cls):
    """Class decorator: sets the public class, whose direct instances run native code.

    Instances of subclasses run the API's own code, because a subclass may name the headers differently.
    """
    global propagator_class
    propagator_class = cls
    return cls


cdef class NativeTraceContextPropagator:
    """First base of the public class; the second is the API's propagator."""

    def extract(self, carrier, context=None, getter=default_getter):
        """Read the remote span context from the headers in a carrier, as the API's propagator does.

        Returns a new Context in which it is the current span; the given context (or an empty one) if there is not exactly
        one `traceparent`, or it is invalid. Raises only what the getter raises.
        """
        if type(self) is not propagator_class or not same_as_api:
            return ApiPropagator.extract(self, carrier, context, getter)
        if getter is getter_of_mappings and type(carrier) is dict:
            return extract_from_dict(self, <dict> carrier, context)
        return extract_by_getter(self, carrier, context, getter)

    def inject(self, carrier, context=None, setter=default_setter):
        """Write the span context of a Context (by default the current one) into a carrier, as the API's propagator does.

        Nothing is written if there is no span. Raises only what the setter and the span raise.
        """
        cdef BorrowedState trace_state
        cdef nspy_section section
        cdef Ids ids
        if type(self) is not propagator_class or not same_as_api or not get_current_span_is_original():
            ApiPropagator.inject(self, carrier, context, setter)
            return
        span = span_in(context)
        if has_native_ids(span):
            enter(&section, span)
            ids = (<NativeSpanBase> span).ids
            state = (<NativeSpanBase> span).trace_state
            leave(&section)
            if ids_are_valid(&ids):
                put(carrier, setter, TRACEPARENT, write_traceparent(&ids))
                if state:
                    put(carrier, setter, TRACESTATE, state.to_header())
                return
        span_context = span.get_span_context()
        if span_context is invalid_span_context:
            signal("inject.empty")
            return
        text = traceparent_of(span_context, &trace_state)
        if text is None:
            # A new Context, so that the application's span is not called again.
            ApiPropagator.inject(
                self, carrier, set_span_in_context(NonRecordingSpan(span_context), Context()), setter
            )
            return
        put(carrier, setter, TRACEPARENT, text)
        if trace_state.state is not NULL and <object> trace_state.state:
            put(carrier, setter, TRACESTATE, (<object> trace_state.state).to_header())


# ---- for native code ----

cdef bint is_native_propagator(object propagator):
    return same_as_api and propagator_class is not None and type(propagator) is propagator_class


cdef object remote_context(object traceparent, object tracestate):
    cdef ns_traceparent parent
    cdef Ids ids
    if type(traceparent) is bytes:
        if PyBytes_GET_SIZE(traceparent) > NS_TRACEPARENT_MAX_LENGTH or not ns_traceparent_read(
                PyBytes_AS_STRING(traceparent), PyBytes_GET_SIZE(traceparent), &parent):
            return None
    elif read_traceparent(traceparent, &parent) != READ:
        return None
    state = None
    if tracestate is not None:
        if type(tracestate) is not str:
            return None
        state = read_tracestate((tracestate,))
    ids.trace_high, ids.trace_low = parent.trace_id_high, parent.trace_id_low
    ids.span, ids.flags, ids.is_remote = parent.span_id, parent.flags, True
    return make_context(&ids, state)


cdef str traceparent_in(object context):
    cdef nspy_section section
    cdef Ids ids
    if not context_is_dict() or type(context) is not context_type or PyDict_Size(context) != 1:
        return None
    if not get_current_span_is_original():
        return None
    span = span_in(context)
    if not has_native_ids(span):
        return None
    enter(&section, span)
    ids = (<NativeSpanBase> span).ids
    state = (<NativeSpanBase> span).trace_state
    leave(&section)
    if state or not ids_are_valid(&ids):
        return None
    return write_traceparent(&ids)


# ---- for tests ----

def fast_paths():
    """Which shortcuts past the API's Python code this API release allows."""
    return {
        "same_as_api": bool(same_as_api),
        "context_is_dict": bool(context_is_dict()),
        "span_has_one_field": context_field is not None,
        "trace_state_has_one_field": pairs_field is not None,
    }


def traceparent_from_text(text):
    """The trace id, span id and flags of a header, read in C; None if it is refused.

    Raises ValueError for what is not read in C: no str, a character beyond ASCII, or more than 512 characters.
    """
    cdef ns_traceparent parsed
    cdef Verdict verdict = read_traceparent(text, &parsed)
    if verdict == UNUSUAL:
        raise ValueError(f"text must be ASCII and of at most {NS_TRACEPARENT_MAX_LENGTH} characters, not {text!r}")
    if verdict == REFUSED:
        return None
    return nspy_trace_id(parsed.trace_id_high, parsed.trace_id_low), parsed.span_id, parsed.flags


def traceparent_to_text(span_context):
    """The header of a SpanContext, written in C.

    Raises ValueError for what is not written in C: an id that is 0 (the trace's) or out of range, flags above 255,
    any class but the API's own.
    """
    cdef BorrowedState trace_state
    text = traceparent_of(span_context, &trace_state)
    if text is None:
        raise ValueError(f"span_context must be a plain SpanContext with ids in their range, not {span_context!r}")
    return text
