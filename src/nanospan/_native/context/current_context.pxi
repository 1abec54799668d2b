"""The current Context and its span; no Python code runs to read or set them with the API's own runtime context.

A foreign runtime context (``OTEL_PYTHON_CONTEXT``, or assigned later) is called through the API's functions.
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

cdef object context_type = Context
cdef object span_type = Span
cdef object invalid_span = INVALID_SPAN
cdef dict api_names = api.__dict__
cdef str RUNTIME_CONTEXT = private.RUNTIME_CONTEXT

# The key of the span in a Context has no public name; it is the only key of a Context with only a span.
cdef object span_key
span_key, = set_span_in_context(INVALID_SPAN, Context())


cdef bint try_context():
    """Whether a Context is constructed as a dict is, and set_span_in_context adds the span to a copy."""
    for name in ("__new__", "__init__", "__iter__", "__getitem__", "get", "keys", "copy"):
        if getattr(Context, name) is not getattr(dict, name):
            return False
    made = set_span_in_context(INVALID_SPAN, Context({"a": 1}))
    return type(made) is Context and list(made.items()) == [("a", 1), (span_key, INVALID_SPAN)]


# A release in which this fails costs time, not correctness.
cdef bint made_as_dict = try_context()


cdef bint context_is_dict() noexcept:
    return made_as_dict

# The runtime context in use. Immutable: another runtime context gets a new object, and `runtimes` keeps every object alive,
# because readers take no reference.
cdef class Runtime:
    cdef object context   # opentelemetry's object
    cdef object variable  # its ContextVar; None for a foreign runtime context

cdef extern from *:
    """
    #include "base/threads.h"
    static PyObject *nspy_runtime = NULL; /* published by a release store: readers see a complete Runtime */
    static inline PyObject *nspy_known_runtime(void) { return NSPY_LOAD_ACQUIRE(nspy_runtime); }
    static inline void nspy_know_runtime(PyObject *runtime) { NSPY_STORE_RELEASE(nspy_runtime, runtime); }

    /* The version of a dict (PEP 509), another one after each change: to compare it takes a twentieth of a look-up. Later
       releases have none that is public; there the look-up is made each time. */
    #if PY_VERSION_HEX < 0x030C0000
    static uint64_t nspy_checked_version = 0; /* no dict's */
    #define nspy_dict_version(dict) (((PyDictObject *)(dict))->ma_version_tag)
    #define nspy_is_checked(dict) (nspy_dict_version(dict) == nspy_checked_version)
    #define nspy_note_checked(version) ((void)(nspy_checked_version = (version)))
    #else
    #define nspy_dict_version(dict) 0
    #define nspy_is_checked(dict) 0
    #define nspy_note_checked(version) ((void)(version))
    #endif
    """
    PyObject *known_runtime "nspy_known_runtime"()
    void know_runtime "nspy_know_runtime"(PyObject *known)
    uint64_t dict_version "nspy_dict_version"(PyObject *namespace)
    bint is_checked "nspy_is_checked"(PyObject *namespace)
    void note_checked "nspy_note_checked"(uint64_t version)

cdef list runtimes = []


cdef PyObject *learn_runtime() except NULL:
    context = api_names.get(RUNTIME_CONTEXT)  # None, too, in a release that has moved it
    cdef Runtime known
    # Interpreter finalization clears module names while destructors may still start spans (longer on free-threaded builds).
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


cdef inline PyObject *borrowed_variable() except NULL:
    """The ContextVar that holds the current Context, or None."""
    # Checked at every call: programs and tests replace the runtime context.
    return <PyObject *> (<Runtime> (known_runtime() if is_checked(<PyObject *> api_names) else check_runtime())).variable


cdef inline object native_variable():
    return <object> borrowed_variable()


cdef PyObject *check_runtime() except NULL:
    cdef uint64_t version = dict_version(<PyObject *> api_names)  # before what may be older than the next one
    cdef PyObject *known = known_runtime()
    if known is NULL or PyDict_GetItemWithError(api_names, RUNTIME_CONTEXT) != <PyObject *> (<Runtime> known).context:
        known = learn_runtime()
    note_checked(version)
    return known


cdef inline PyObject *borrowed_value(object own) except NULL:
    """Valid until this thread sets the variable."""
    cdef PyObject *value = NULL
    PyContextVar_Get(own, NULL, &value)
    if value is NULL:
        raise LookupError(own)  # as own.get(): an application's variable may have no default
    Py_DECREF(<object> value)
    return value


cdef inline object variable_value(object own):
    return <object> borrowed_value(own)


cdef object current_context():
    cdef PyObject *own = borrowed_variable()
    if own == <PyObject *> None:
        return api.get_current()
    return <object> borrowed_value(<object> own)

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
    # PyObject_TypeCheck is the fast path for real subclasses; isinstance also accepts classes registered with the ABC.
    if PyObject_TypeCheck(span, <PyTypeObject *> span_type) or isinstance(span, span_type):
        return span
    return invalid_span


# --- setting ----------------------------------------------------------------------------------------------------------

# Free list: allocating a Context, an instance of a Python class, costs as much as starting a span. A Context that held only
# the span and is no longer referenced is recycled.
cdef enum:
    MAX_FREE = 32

cdef PyObject *free_contexts[MAX_FREE]
cdef int free_context_count = 0

cdef object context_with(object context, object span):
    global free_context_count
    cdef Py_ssize_t others
    if not made_as_dict or type(context) is not context_type:
        return set_span_in_context(span, context)
    others = PyDict_Size(context)
    if others == 0 or (others == 1 and PyDict_Contains(context, span_key)):
        if not FREE and free_context_count:
            free_context_count -= 1
            made = <object> free_contexts[free_context_count]
            Py_DECREF(made)  # the list's reference
        else:
            made = context_type.__new__(context_type)
    else:
        made = context_type.__new__(context_type)
        PyDict_Update(made, context)
    PyDict_SetItem(made, span_key, span)
    return made


cdef bint is_as_made(object context) except -1:
    """Whether a Context of context_with has no other references and only its span."""
    if Py_REFCNT(context) != 1 or type(context) is not context_type or has_weakrefs(context):
        return False
    if PyDict_Size(context) != 1 or not PyDict_Contains(context, span_key):
        return False
    # Creates the instance's __dict__ at the first call; the recycled instance keeps it.
    return PyDict_Size(PyObject_GenericGetDict(context, NULL)) == 0


cdef void recycle(object context) noexcept:
    global free_context_count
    try:
        if not FREE and free_context_count < MAX_FREE and is_as_made(context):
            PyDict_SetItem(context, span_key, None)
            if free_context_count < MAX_FREE:  # checked again: releasing the span may run Python code
                Py_INCREF(context)
                free_contexts[free_context_count] = <PyObject *> context
                free_context_count += 1
    except BaseException:
        pass


cdef int refresh_runtime() except -1:
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


cdef object context_now():
    return current_context()


cpdef object attach_context(object context):
    """`opentelemetry.context.attach` past a replacement of it, as `detach_context` is past that of ``detach``."""
    own = native_variable()
    return api.attach(context) if own is None else PyContextVar_Set(own, context)


cdef bint detach_own(object token) noexcept:
    try:
        own = native_variable()
        if own is None:
            return False
        PyContextVar_Reset(own, token)
        return True
    except Exception:  # of another context, of another variable, or used before
        return False


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
            # The API's detach below logs a token that was used before, or a runtime context replaced meanwhile.
            PyContextVar_Reset((<Runtime> known_runtime()).variable, token)
        except ValueError:
            if getattr(token, "var", None) is (<Runtime> known_runtime()).variable:
                # Of another context: a generator that another task, or the collector, has closed. There is nothing to
                # restore here.
                count_foreign_detach()
            else:
                foreign = True
        except Exception:
            foreign = True
        else:
            token = None  # it refers to the Context
            recycle(context)
    if foreign:
        api.detach(token)
    return 0


# At import: make_current relies on a known runtime context.
learn_runtime()
