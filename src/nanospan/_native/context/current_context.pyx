"""The current Context and its span, read and set without a call of Python where the API's own runtime context is used.

A foreign runtime context (``OTEL_PYTHON_CONTEXT``), or one that is put in place later, is asked through the API's functions.
"""

from cpython.contextvars cimport PyContextVar_Get, PyContextVar_Reset, PyContextVar_Set
from cpython.dict cimport PyDict_Contains, PyDict_GetItemWithError, PyDict_SetItem, PyDict_Size, PyDict_Update
from cpython.object cimport PyObject, PyObject_TypeCheck, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from opentelemetry import context as api
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, set_span_in_context

from nanospan._compat import sdk as private
from nanospan._native.base.pycompat cimport has_weakrefs
from nanospan._native.base.threads cimport FREE

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object)
    object PyObject_GenericGetDict(object, void *)

cdef object context_type = Context
cdef object span_type = Span
cdef object invalid_span = INVALID_SPAN
cdef dict api_names = api.__dict__
cdef str RUNTIME_CONTEXT = private.RUNTIME_CONTEXT

# The key under which a Context holds its span has no public name; a Context that holds only a span shows it.
cdef object span_key
span_key, = set_span_in_context(INVALID_SPAN, Context())


cdef bint try_context():
    """Whether a Context is made as a dict is, and a span put into a copy of it."""
    for name in ("__new__", "__init__", "__iter__", "__getitem__", "get", "keys", "copy"):
        if getattr(Context, name) is not getattr(dict, name):
            return False
    made = set_span_in_context(INVALID_SPAN, Context({"a": 1}))
    return type(made) is Context and list(made.items()) == [("a", 1), (span_key, INVALID_SPAN)]


# A release that changes it costs time, not correctness.
cdef bint made_as_dict = try_context()


cdef bint context_is_dict() noexcept:
    return made_as_dict

# What is known of the runtime context that is in place. Never changed: another one takes its place, and all that ever were
# known stay, since other threads may be reading them.
cdef class Runtime:
    cdef object context   # opentelemetry's
    cdef object variable  # its ContextVar; None if it is not of the API's own kind

cdef extern from *:
    """
    #include "base/threads.h"
    static PyObject *nspy_runtime = NULL;
    static inline PyObject *nspy_known_runtime(void) { return NSPY_SEEN(nspy_runtime); }
    static inline void nspy_know_runtime(PyObject *runtime) { NSPY_SHOW(nspy_runtime, runtime); }
    """
    PyObject *known_runtime "nspy_known_runtime"()
    void know_runtime "nspy_know_runtime"(PyObject *known)

cdef list runtimes = []


cdef PyObject *learn_runtime() except NULL:
    context = api_names[RUNTIME_CONTEXT]
    cdef Runtime known
    # At its end the interpreter takes modules apart, and destructors may still make spans: without its lock, later than with it.
    if context is None and known_runtime() is not NULL:
        return known_runtime()
    for known in tuple(runtimes):
        if known.context is context:
            break
    else:
        known = Runtime()
        known.context = context
        known.variable = private.context_variable(context)
        runtimes.append(known)
    know_runtime(<PyObject *> known)
    return <PyObject *> known


cdef inline object native_variable():
    """The ContextVar that holds the current Context, or None."""
    # Asked anew each time: programs and tests put another runtime context in place.
    cdef PyObject *known = known_runtime()
    if known is NULL or PyDict_GetItemWithError(api_names, RUNTIME_CONTEXT) != <PyObject *> (<Runtime> known).context:
        known = learn_runtime()
    return (<Runtime> known).variable


cdef inline object variable_value(object own):
    cdef PyObject *value = NULL
    PyContextVar_Get(own, NULL, &value)
    if value is NULL:
        raise LookupError(own)  # as its own get() would: somebody's variable without a default
    result = <object> value
    Py_DECREF(result)  # the reference that PyContextVar_Get gave
    return result

cdef object current_context():
    own = native_variable()
    return api.get_current() if own is None else variable_value(own)

cdef object span_in(object context):
    cdef PyObject *found
    if context is None:
        context = current_context()
    if type(context) is context_type:
        found = PyDict_GetItemWithError(context, span_key)
        if found is NULL:
            return invalid_span
        span = <object> found
    else:
        span = context.get(span_key)
    # The quick check is right for real subclasses; isinstance also knows those registered with the ABC.
    if PyObject_TypeCheck(span, <PyTypeObject *> span_type) or isinstance(span, span_type):
        return span
    return invalid_span


# --- setting ----------------------------------------------------------------------------------------------------------

# A Context is a dict of a Python class, and making one costs as much as starting a span. One that held nothing but a span
# and has come back with nobody else holding it serves again.
cdef enum:
    MAX_SPARE = 32

cdef PyObject *spare[MAX_SPARE]
cdef int spare_count = 0

cdef object context_with(object context, object span):
    global spare_count
    cdef Py_ssize_t others
    if not made_as_dict or type(context) is not context_type:
        return set_span_in_context(span, context)
    others = PyDict_Size(context)
    if others == 0 or (others == 1 and PyDict_Contains(context, span_key)):
        if not FREE and spare_count:
            spare_count -= 1
            made = <object> spare[spare_count]
            Py_DECREF(made)  # the reference that the store held
        else:
            made = context_type.__new__(context_type)
    else:
        made = context_type.__new__(context_type)
        PyDict_Update(made, context)
    PyDict_SetItem(made, span_key, span)
    return made


cdef bint is_as_made(object context) except -1:
    """Whether nobody holds or has left anything on a Context that context_with made."""
    if Py_REFCNT(context) != 1 or type(context) is not context_type or has_weakrefs(context):
        return False
    if PyDict_Size(context) != 1 or not PyDict_Contains(context, span_key):
        return False
    # The first look makes the dict of its own attributes, which then stays with it.
    return PyDict_Size(PyObject_GenericGetDict(context, NULL)) == 0


cdef void recycle(object context) noexcept:
    global spare_count
    try:
        if not FREE and spare_count < MAX_SPARE and is_as_made(context):
            PyDict_SetItem(context, span_key, None)
            if spare_count < MAX_SPARE:  # letting go of the span may have run Python code
                Py_INCREF(context)
                spare[spare_count] = <PyObject *> context
                spare_count += 1
    except BaseException:
        pass


cdef int look_at_runtime() except -1:
    native_variable()
    return 0


cdef int make_current(object span, Activated *made) except -1:
    own = (<Runtime> known_runtime()).variable
    if own is not None:
        context = context_with(variable_value(own), span)
        token = PyContextVar_Set(own, context)
        Py_INCREF(context)
        made.context = <PyObject *> context
        Py_INCREF(token)
        made.token = <PyObject *> token
        return 0
    token = api.attach(set_span_in_context(span))
    Py_INCREF(token)
    made.token = <PyObject *> token
    made.context = NULL
    return 0


cdef int undo_current(Activated *made) except -1:
    cdef bint foreign = made.context is NULL
    token = <object> made.token
    Py_DECREF(token)
    made.token = NULL
    if not foreign:
        context = <object> made.context
        Py_DECREF(context)
        made.context = NULL
        try:
            # Another Context's token, or another runtime context meanwhile: the API's own way below logs it.
            PyContextVar_Reset((<Runtime> known_runtime()).variable, token)
        except Exception:
            foreign = True
        else:
            token = None  # it holds on to the Context
            recycle(context)
    if foreign:
        api.detach(token)
    return 0


# At once: what makes a span current need not have looked before.
learn_runtime()
