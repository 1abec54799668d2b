"""Calls that run later, elsewhere, in the Context that was current when they were made.

A thread of a pool has a context of its own, which a task must not see: the captured Context is attached even if it is empty.
"""

cimport cython
from cpython.exc cimport PyErr_Clear, PyErr_ExceptionMatches
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_XDECREF
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.type cimport PyType_Modified
from libc.stdint cimport uint32_t

import threading

from nanospan._native.base cimport generation_address
from nanospan._native.base.threads cimport add_u64

cdef const uint32_t *fork_generation = generation_address()

cdef object empty_context = Context()
cdef object thread_class = threading.Thread

# Of nanospan.concurrency; None until it is imported. The first replaces a Context whose span belongs to the process that
# forked, the second is the `__reduce__` of a call.
cdef object context_of_child = None
cdef object reduce_call = None


cdef inline bint is_empty(object context) noexcept:
    return type(context) is context_type and PyDict_Size(context) == 0


cdef extern from *:
    """
    #define nspy_make_context_call_callable(type, instance)                                                           \
        do {                                                                                                          \
            (type)->tp_vectorcall_offset = (char *)&(instance)->call - (char *)(instance);                            \
            (type)->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;                                                           \
            (type)->tp_call = PyVectorcall_Call;                                                                      \
        } while (0)
    """
    ctypedef object (*vectorcallfunc)(PyObject *, PyObject *const *, size_t, PyObject *)
    void nspy_make_context_call_callable(PyTypeObject *type, ContextCall instance)

cdef extern from "Python.h":
    object PyObject_Vectorcall(object function, PyObject *const *arguments, size_t count_and_flag, PyObject *names)
    object PyObject_VectorcallDict(object function, PyObject *const *arguments, size_t count_and_flag, PyObject *named)
    object PyObject_VectorcallMethod(object name, PyObject *const *arguments, size_t count_and_flag, PyObject *names)
    object PyVectorcall_Call(object function, tuple arguments, dict names)
    size_t PY_VECTORCALL_ARGUMENTS_OFFSET
    # Without the check for an exception, for which a try statement would save and restore that of the caller.
    int reset_variable "PyContextVar_Reset"(object variable, object token) noexcept
    int get_variable "PyContextVar_Get"(object variable, PyObject *otherwise, PyObject **value) noexcept


@cython.freelist(64)
cdef class ContextCall:
    """A callable that calls ``function`` with the Context of its creation current.

    ``once``: it releases both when it is called, and must not be called again. A forked child calls with the span as a
    remote one: the span itself is the parent process's. A pickle holds the ids and the baggage.
    """

    cdef vectorcallfunc call   # the vectorcall function of the instance
    cdef readonly object function
    cdef readonly object context
    cdef bint once
    cdef uint32_t generation   # of forks, at creation

    def __cinit__(self):
        self.call = call_in_context
        self.generation = fork_generation[0]

    def __init__(self, function, context=None, bint once=False):
        self.function = function
        self.context = current_context() if context is None else context
        self.once = once

    @property
    def is_once(self):
        return self.once

    def __getattr__(self, name):
        # For those who show the function. Not __func__, by which others would call it past the Context.
        if name in ("__name__", "__qualname__", "__module__"):
            return getattr(self.function, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self):
        return f"<{self.function!r} in the context of its creation>"

    def __call__(self, *args, **kwargs):
        # Of subclasses; instances of this class have the function of the vectorcall protocol.
        return PyVectorcall_Call(self, args, kwargs)

    def __reduce__(self):
        if reduce_call is None:
            raise TypeError("cannot pickle a call before nanospan.concurrency is imported")
        return reduce_call(self)


cdef inline ContextCall carried_once(object function, object context):
    cdef ContextCall made = ContextCall.__new__(ContextCall)
    made.function = function
    made.context = context
    made.once = True
    return made


cdef object call_in_context(PyObject *called, PyObject *const *arguments, size_t count_and_flag, PyObject *names):
    context, function = (<ContextCall> called).context, (<ContextCall> called).function
    if (<ContextCall> called).once:
        (<ContextCall> called).context = (<ContextCall> called).function = None
        if context is None:
            raise RuntimeError("this call was made for one run, and has run")
    if (<ContextCall> called).generation != fork_generation[0] and context_of_child is not None:
        context = context_of_child(context)
    cdef PyObject *variable = borrowed_variable()
    if variable == <PyObject *> None:
        return call_by_api(context, function, arguments, count_and_flag, names)
    own = <object> variable
    cdef PyObject *before = borrowed_value(own)
    if before == <PyObject *> context:
        return PyObject_Vectorcall(function, arguments, count_and_flag, names)
    if is_empty(context):
        if is_empty(<object> before):
            add_u64(&counts.empty, 1)
            return PyObject_Vectorcall(function, arguments, count_and_flag, names)
        add_u64(&counts.stale_cleared, 1)
    else:
        add_u64(&counts.carried, 1)
    token = PyContextVar_Set(own, context)
    try:
        return PyObject_Vectorcall(function, arguments, count_and_flag, names)
    finally:
        restore_variable(own, context, token)


cdef object call_by_api(object context, object function, PyObject *const *arguments, size_t count_and_flag,
                        PyObject *names):
    token = api.attach(context)
    try:
        return PyObject_Vectorcall(function, arguments, count_and_flag, names)
    finally:
        detach_context(token)


cdef inline void restore_variable(object own, object context, object token) noexcept:
    cdef bint foreign
    cdef PyObject *value = NULL
    get_variable(own, NULL, &value)
    if value != <PyObject *> context:
        count_scope_left()
    Py_XDECREF(value)
    if reset_variable(own, token) == 0:
        return
    # The function has changed the thread's context itself, as greenlets can; the other failure is one of memory.
    foreign = PyErr_ExceptionMatches(ValueError)
    PyErr_Clear()
    if foreign:
        count_foreign_detach()


@cython.binding(False)  # a builtin of one argument, which the interpreter calls fastest
@cython.always_allow_keywords(False)
def capture_once(function):
    """``function`` as a ContextCall for one run, with the current Context."""
    return carried_once(function, current_context())


def in_empty_context(function, /, *args, **kwargs):
    """``function(*args, **kwargs)`` while an empty Context is current."""
    own = native_variable()
    if is_empty(api.get_current() if own is None else variable_value(own)):
        return function(*args, **kwargs)
    token = attach_context(empty_context)
    try:
        return function(*args, **kwargs)
    finally:
        detach_context(token)


cdef enum:
    MAX_STACKED = 6


cdef inline size_t stack_arguments(PyObject **stack, object first, object second, tuple others):
    """How many; the place before them is the callee's. ``stack`` has three places more than ``others`` items."""
    cdef Py_ssize_t i, count = PyTuple_GET_SIZE(others)
    stack[1] = <PyObject *> first
    stack[2] = <PyObject *> second
    for i in range(count):
        stack[3 + i] = <PyObject *> PyTuple_GET_ITEM(others, i)
    return (2 + count) | PY_VECTORCALL_ARGUMENTS_OFFSET


cdef object call_with(object function, object first, object second, tuple others, dict named):
    """``function(first, second, *others, **named)``."""
    cdef PyObject *stack[3 + MAX_STACKED]
    if PyTuple_GET_SIZE(others) > MAX_STACKED:
        return function(first, second, *others, **named)
    cdef size_t count = stack_arguments(stack, first, second, others)
    return PyObject_VectorcallDict(function, &stack[1], count, <PyObject *> named if named else NULL)


@cython.binding(False)
def submit_once(pool, function, tuple args not None, dict kwargs not None):
    """``pool.submit(function, *args, **kwargs)``, the function with the current Context."""
    cdef PyObject *stack[3 + MAX_STACKED]
    call = carried_once(function, current_context())
    if kwargs or PyTuple_GET_SIZE(args) > MAX_STACKED:
        return pool.submit(call, *args, **kwargs)
    cdef size_t count = stack_arguments(stack, pool, call, args)
    return PyObject_VectorcallMethod("submit", &stack[1], count, NULL)


cdef class SubmitSwitch:
    """Whether an executor's ``submit`` carries the Context, and whether it must run in an empty one.

    It must if the workers that it starts would see the current one: ``is_seen(Thread.start)``, asked again when another
    package has replaced that method. ``is_left(pool)``: whether a subclass of the executor ``kind`` is left alone.
    """

    cdef public bint active
    cdef object kind
    cdef object is_left
    cdef object is_seen
    cdef object start       # of which `seen` is the answer; None: not asked yet
    cdef bint seen

    def __init__(self, kind, is_left, is_seen):
        self.kind, self.is_left, self.is_seen = kind, is_left, is_seen

    @cython.binding(False)
    def submit(self, original, pool, function, tuple args not None, dict kwargs not None):
        """``original(pool, function, *args, **kwargs)``, the function with the current Context while this is active."""
        if not self.active or not callable(function):
            return call_with(original, pool, function, args, kwargs)
        if type(pool) is not self.kind and self.is_left(pool):
            if self.starts_empty():
                return in_empty_context(original, pool, function, *args, **kwargs)
            return call_with(original, pool, function, args, kwargs)
        context = current_context()
        # What `nanospan.concurrency` has made carries one already.
        call = function if isinstance(function, ContextCall) else carried_once(function, context)
        if not is_empty(context) and self.starts_empty():
            return in_empty_context(original, pool, call, *args, **kwargs)
        return call_with(original, pool, call, args, kwargs)

    cdef bint starts_empty(self) except -1:
        start = thread_class.start
        if start is not self.start:
            self.seen = self.is_seen(start)
            self.start = start
        return self.seen


def detach_context(token):
    """`opentelemetry.context.detach` without its complaint about a token of another context, which is counted."""
    own = native_variable()
    if own is None or getattr(token, "var", None) is not own:
        api.detach(token)
        return
    try:
        PyContextVar_Reset(own, token)
    except ValueError:  # a generator closed by another task, a thread that is given another context
        count_foreign_detach()
    except RuntimeError:  # used before
        api.detach(token)


def note_foreign_detach(token):
    """Count a token of another context that the API's own ``detach`` was given; False if it is of another variable."""
    own = native_variable()
    if own is None or getattr(token, "var", None) is not own:
        return False
    count_foreign_detach()
    return True


def bind_processes(child_context, reduce):
    """Let calls that were made before a fork run in ``child_context(context)``, and be pickled as ``reduce(call)`` says."""
    global context_of_child, reduce_call
    context_of_child, reduce_call = child_context, reduce


cdef int finish_call_type() except -1:
    nspy_make_context_call_callable(<PyTypeObject *> ContextCall, ContextCall.__new__(ContextCall))
    PyType_Modified(<type> ContextCall)
    return 0


finish_call_type()
