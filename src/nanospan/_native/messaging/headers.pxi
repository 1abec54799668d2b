"""Reads and writes the W3C fields in the headers of a message.

The common shapes are handled here: a list or tuple of pairs, a dict with text for keys, fields that are well formed. For
anything else the functions answer None or `NotImplemented`, and the carrier's and the propagator's own code decides: what it
counts, leaves out or refuses is the same as without these functions.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Size
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_AsASCIIString
from libc.string cimport memcmp

from nanospan._native.base.csrc cimport NS_TEXT_UTF8, ns_text
from nanospan._native.base.pycompat cimport nspy_text
from nanospan._native.base.threads cimport FREE
from nanospan._native.base.patches cimport MethodGuard, guard, is_original
from nanospan._native.context.propagator cimport is_native_propagator, remote_context, traceparent_in

from opentelemetry import propagate

cdef extern from "Python.h":
    Py_ssize_t PySequence_Fast_GET_SIZE(object)
    PyObject *PySequence_Fast_GET_ITEM(object, Py_ssize_t)
    int PyUnicode_Compare(object, object) except? -1

cdef enum:
    FIELDS = 3
    MAX_TRACE_FIELD = 512
    MAX_BAGGAGE = 8192
    MAX_BAGGAGE_MEMBERS = 180

# In the order in which they are written.
cdef tuple NAMES = ("traceparent", "tracestate", "baggage")
cdef tuple BYTE_NAMES = (b"traceparent", b"tracestate", b"baggage")
cdef enum:
    TRACEPARENT
    TRACESTATE
    BAGGAGE

# How a carrier has its headers: by code of its own, as pairs, or as a mapping.
cdef enum:
    OTHER_SHAPE
    PAIRS
    MAPPING

SHAPES = {None: OTHER_SHAPE, "pairs": PAIRS, "mapping": MAPPING}


# --- the global propagator --------------------------------------------------------------------------------------------

cdef enum:
    UNKNOWN_PROPAGATOR
    TRACE_ALONE
    TRACE_AND_BAGGAGE

cdef object known_propagator = None
cdef int known_kind = UNKNOWN_PROPAGATOR

# Set once, by nanospan.messaging.
cdef object composite_class = None
cdef object baggage_class = None
cdef object members_of = None
cdef MethodGuard composite_inject
cdef MethodGuard composite_extract
cdef MethodGuard trace_inject
cdef MethodGuard trace_extract


def bind_propagators(*, composite, trace, baggage, members):
    """Set the classes of propagators that native code reads and writes as; ``members(composite)`` gives those of one."""
    global composite_class, baggage_class, members_of
    composite_class, baggage_class, members_of = composite, baggage, members
    guard(&composite_inject, composite, "inject")
    guard(&composite_extract, composite, "extract")
    guard(&trace_inject, trace, "inject")
    guard(&trace_extract, trace, "extract")


cdef int kind_of_propagator(object propagator) except -1:
    members = (propagator,)
    if type(propagator) is composite_class:
        members = tuple(members_of(propagator))
    if not members or not is_native_propagator(members[0]) or vars(members[0]):
        return UNKNOWN_PROPAGATOR
    if len(members) == 1:
        return TRACE_ALONE
    return TRACE_AND_BAGGAGE if len(members) == 2 and type(members[1]) is baggage_class else UNKNOWN_PROPAGATOR


cdef int global_kind() except -1:
    global known_propagator, known_kind
    if composite_class is None:
        return UNKNOWN_PROPAGATOR
    current = propagate.get_global_textmap()
    if current is not known_propagator:
        known_kind = kind_of_propagator(current)
        known_propagator = current
    if known_kind != UNKNOWN_PROPAGATOR and not (
            is_original(&composite_inject) and is_original(&composite_extract)
            and is_original(&trace_inject) and is_original(&trace_extract)):
        return UNKNOWN_PROPAGATOR
    return known_kind


# --- reading ----------------------------------------------------------------------------------------------------------

cdef int field_of(object key) except -2:
    """Which field a key names; -1: none, FIELDS: only Python code can tell."""
    cdef int i
    cdef Py_ssize_t size
    if type(key) is str:
        for i in range(FIELDS):
            if key is NAMES[i] or PyUnicode_Compare(key, NAMES[i]) == 0:
                return i
        return -1
    if type(key) is bytes:
        size = PyBytes_GET_SIZE(key)
        for i in range(FIELDS):
            if size == PyBytes_GET_SIZE(BYTE_NAMES[i]) and not memcmp(
                    PyBytes_AS_STRING(key), PyBytes_AS_STRING(BYTE_NAMES[i]), size):
                return i
        return -1
    return FIELDS


cdef bint find_in_pairs(object headers, PyObject **found) except -1:
    """Sets borrowed references to the last value of each field; False if only the carrier can read the headers."""
    cdef Py_ssize_t i
    cdef int field
    if type(headers) is not list and type(headers) is not tuple:
        return False
    for i in range(PySequence_Fast_GET_SIZE(headers)):
        pair = <object> PySequence_Fast_GET_ITEM(headers, i)
        if type(pair) is not tuple or PySequence_Fast_GET_SIZE(pair) != 2:
            return False
        field = field_of(<object> PySequence_Fast_GET_ITEM(pair, 0))
        if field == FIELDS:
            return False
        if field >= 0:
            found[field] = PySequence_Fast_GET_ITEM(pair, 1)
    return True


cdef inline Py_ssize_t size_of(object value) except -2:
    """The length of exactly a str or bytes; -1 for any other."""
    if type(value) is bytes:
        return PyBytes_GET_SIZE(value)
    return len(<str> value) if type(value) is str else -1


cdef object read_headers(int shape, object headers, bint with_baggage):
    """The SpanContext in the headers, None if there is none, and NotImplemented if only Python code can tell.

    ``with_baggage``: the caller needs the baggage too, which Python code reads.
    """
    cdef PyObject *found[FIELDS]
    cdef Py_ssize_t size
    cdef int i, kind
    if headers is None:
        return None
    if shape == OTHER_SHAPE:
        return NotImplemented
    kind = global_kind()
    if kind == UNKNOWN_PROPAGATOR:
        return NotImplemented
    if shape == MAPPING:
        if type(headers) is not dict:
            return NotImplemented
        for i in range(FIELDS):
            if BYTE_NAMES[i] in <dict> headers:
                return NotImplemented
        traceparent = (<dict> headers).get(NAMES[TRACEPARENT])
        tracestate = (<dict> headers).get(NAMES[TRACESTATE])
        baggage = (<dict> headers).get(NAMES[BAGGAGE])
    else:
        if FREE:
            headers = tuple(headers) if type(headers) is list else headers
        found[TRACEPARENT] = found[TRACESTATE] = found[BAGGAGE] = NULL
        if not find_in_pairs(headers, found):  # runs no Python code
            return NotImplemented
        traceparent = None if found[TRACEPARENT] is NULL else <object> found[TRACEPARENT]
        tracestate = None if found[TRACESTATE] is NULL else <object> found[TRACESTATE]
        baggage = None if found[BAGGAGE] is NULL else <object> found[BAGGAGE]
    # What is too long is counted, also where the baggage is not used.
    if baggage is not None and kind == TRACE_AND_BAGGAGE and (
            with_baggage or not 0 <= size_of(baggage) < MAX_BAGGAGE_MEMBERS):
        return NotImplemented
    if traceparent is None:
        return None
    if type(tracestate) is bytes:
        try:
            tracestate = (<bytes> tracestate).decode("ascii")
        except UnicodeDecodeError:
            return NotImplemented
    if tracestate is not None and not 0 <= size_of(tracestate) <= MAX_TRACE_FIELD:
        return NotImplemented
    size = size_of(traceparent)
    if not 0 <= size <= MAX_TRACE_FIELD:
        return NotImplemented
    context = remote_context(traceparent, tracestate)
    return NotImplemented if context is None else context


def context_of_headers(int shape, headers, bint with_baggage=True):
    """`read_headers`, for nanospan.messaging."""
    return read_headers(shape, headers, with_baggage)


# --- writing ----------------------------------------------------------------------------------------------------------

def fields_of_context(context):
    """The fields that the global propagator writes for a Context; None if only the propagator can tell."""
    cdef str traceparent
    if global_kind() == UNKNOWN_PROPAGATOR:
        return None
    traceparent = traceparent_in(context)
    return None if traceparent is None else {"traceparent": traceparent}


cdef bint is_writable(object value) noexcept:
    """Whether a value is printable ASCII, and within the bounds of every field but baggage."""
    cdef ns_text text
    cdef const unsigned char *at
    cdef size_t i
    if type(value) is not str:
        return False
    text = nspy_text(value)
    if text.width != NS_TEXT_UTF8 or not 0 < text.length <= MAX_TRACE_FIELD:
        return False
    at = <const unsigned char *> text.data
    for i in range(text.length):
        if not 32 <= at[i] < 127:
            return False
    return True


cdef tuple written_fields(object fields):
    """The traceparent, and the tracestate or None; None if there are other fields, or an unusual one.

    Baggage has bounds of its own.
    """
    if type(fields) is not dict:
        return None
    traceparent = (<dict> fields).get(NAMES[TRACEPARENT])
    if not is_writable(traceparent):
        return None
    if PyDict_Size(fields) == 1:
        return traceparent, None
    tracestate = (<dict> fields).get(NAMES[TRACESTATE])
    return (traceparent, tracestate) if PyDict_Size(fields) == 2 and is_writable(tracestate) else None


def set_in_pairs(headers, fields):
    """The headers with these fields, of the same type; None if only Python code can write them."""
    cdef int field
    cdef list kept
    cdef tuple written
    if headers is not None and type(headers) is not list and type(headers) is not tuple:
        return None
    written = written_fields(fields)
    if written is None:
        return None
    traceparent, tracestate = written
    kept = []
    if headers is not None:
        for pair in tuple(headers):
            if type(pair) is not tuple or len(<tuple> pair) != 2:
                return None
            field = field_of(<object> PySequence_Fast_GET_ITEM(pair, 0))
            if field == FIELDS:
                return None
            if field != TRACEPARENT and field != TRACESTATE:
                kept.append(pair)
    kept.append(("traceparent", PyUnicode_AsASCIIString(traceparent)))
    if tracestate is not None:
        kept.append(("tracestate", PyUnicode_AsASCIIString(tracestate)))
    return tuple(kept) if type(headers) is tuple else kept


def set_in_dict(headers, fields):
    """As `set_in_pairs`, for a dict of text."""
    cdef dict made
    cdef int i
    cdef tuple written
    if headers is not None and type(headers) is not dict:
        return None
    written = written_fields(fields)
    if written is None:
        return None
    traceparent, tracestate = written
    made = {} if headers is None else (<dict> headers).copy()
    for i in range(2):
        made.pop(NAMES[i], None)
        made.pop(BYTE_NAMES[i], None)
    made["traceparent"] = traceparent
    if tracestate is not None:
        made["tracestate"] = tracestate
    return made
