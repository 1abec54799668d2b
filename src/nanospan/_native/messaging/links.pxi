"""Links to the contexts in which messages were made: one a context, up to the limit of a span."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject_GenericSetAttr, PyTypeObject

from opentelemetry.trace import Link

from nanospan._compat import sdk as private
from nanospan._native.context cimport BorrowedState, Ids, ids_are_valid, link_is_plain, read_context as read_span_context

cdef extern from "Python.h":
    object PyType_GenericAlloc(PyTypeObject *, Py_ssize_t)

cdef object api_link = Link
cdef str LINK_CONTEXT = private.LINK_CONTEXT
cdef str LINK_ATTRIBUTES = private.LINK_ATTRIBUTES
cdef bint link_is_made_plainly = (
    link_is_plain() and Link.__new__ is object.__new__ and Link.__setattr__ is object.__setattr__
)


cdef object new_link(object context, object attributes):
    if not link_is_made_plainly:
        return Link(context, attributes)
    link = PyType_GenericAlloc(<PyTypeObject *> api_link, 0)
    PyObject_GenericSetAttr(link, LINK_CONTEXT, context)
    PyObject_GenericSetAttr(link, LINK_ATTRIBUTES, attributes)
    return link


cdef class Found:
    """The messages of one context."""

    cdef object context
    cdef dict attributes      # those that are equal for all of the messages; None: there are none
    cdef Py_ssize_t messages


cdef object key_of(object context):
    """Of the trace id and the span id; None if the context is not valid."""
    cdef BorrowedState state
    cdef Ids ids
    if read_span_context(context, &ids, &state):
        if not ids_are_valid(&ids):
            return None
        # Three numbers in a row; no padding is among them.
        return PyBytes_FromStringAndSize(<const char *> &ids.trace_high, 3 * sizeof(ids.span))
    return (context.trace_id, context.span_id) if context.is_valid else None


cdef class NativeLinkList:
    """Collects the links of one span.

    Messages with the same context share a link. It keeps the attributes that are equal for all of them.
    """

    cdef Py_ssize_t limit
    cdef dict found
    cdef readonly Py_ssize_t merged     # messages whose link another one has already; after `made`
    cdef readonly Py_ssize_t left_out   # contexts over the limit

    def __init__(self, limit):
        self.limit = limit
        self.found = {}

    def add(self, context, attributes=None):
        """Link to ``context``, if it is valid."""
        cdef Found known
        key = key_of(context)
        if key is None:
            return
        known = self.found.get(key)
        if known is None:
            known = Found.__new__(Found)
            known.context = context
            known.attributes = dict(attributes) if attributes else None
            known.messages = 1
            self.found[key] = known
            return
        known.messages += 1
        if known.attributes is not None:
            common = {}
            for name, value in known.attributes.items():
                if attributes is not None and name in attributes and attributes[name] == value:
                    common[name] = value
            known.attributes = common or None

    def made(self, str count_name):
        """The links, the first of them up to the limit; ``count_name``: the attribute for the number of messages."""
        cdef Found one
        cdef list links = []
        self.merged = 0
        for one in self.found.values():
            if one.messages > 1:
                self.merged += one.messages - 1
                if one.attributes is None:
                    one.attributes = {}
                one.attributes[count_name] = one.messages
            if len(links) < self.limit:
                links.append(new_link(one.context, one.attributes))
        self.left_out = len(self.found) - len(links)
        return links
