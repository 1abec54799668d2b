"""Calls that run later, elsewhere, in the Context that was current when they were made.

A thread of a pool has a context of its own, which a task must not see: the captured Context is attached even if it is empty.
"""

from cpython.object cimport PyObject_Call
from libc.stdint cimport uint32_t

from nanospan._native.base cimport generation_address
from nanospan._native.base.threads cimport add_u64

cdef const uint32_t *fork_generation = generation_address()

# Of nanospan.concurrency; None until it is imported. The first replaces a Context whose span belongs to the process that
# forked, the second is the `__reduce__` of a call.
cdef object context_of_child = None
cdef object reduce_call = None


cdef inline bint is_empty(object context) noexcept:
    return type(context) is context_type and PyDict_Size(context) == 0


cdef class ContextCall:
    """A callable that calls ``function`` with the Context of its creation current.

    ``once``: it releases both when it is called, and must not be called again. A forked child calls with the span as a
    remote one: the span itself is the parent process's. A pickle holds the ids and the baggage.
    """

    cdef readonly object function
    cdef readonly object context
    cdef bint once
    cdef uint32_t generation   # of forks, at creation
    cdef dict __dict__         # made when something is assigned
    cdef object __weakref__

    def __init__(self, function, context=None, *, bint once=False):
        self.function = function
        self.context = current_context() if context is None else context
        self.once = once
        self.generation = fork_generation[0]

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

    def __reduce__(self):
        if reduce_call is None:
            raise TypeError("cannot pickle a call before nanospan.concurrency is imported")
        return reduce_call(self)

    def __call__(self, *args, **kwargs):
        context, function = self.context, self.function
        if self.once:
            self.context = self.function = None
            if context is None:
                raise RuntimeError("this call was made for one run, and has run")
        if self.generation != fork_generation[0] and context_of_child is not None:
            context = context_of_child(context)
        return run_in_context(context, function, args, kwargs)


cdef object run_in_context(object context, object function, tuple args, dict kwargs):
    own = native_variable()
    if own is None:
        token = api.attach(context)
        try:
            return PyObject_Call(function, args, kwargs)
        finally:
            detach_context(token)
    before = variable_value(own)
    if before is context:
        return PyObject_Call(function, args, kwargs)
    if is_empty(context):
        if is_empty(before):
            add_u64(&counts.empty, 1)
            return PyObject_Call(function, args, kwargs)
        add_u64(&counts.stale_cleared, 1)
    else:
        add_u64(&counts.carried, 1)
    before = None
    token = PyContextVar_Set(own, context)
    try:
        return PyObject_Call(function, args, kwargs)
    finally:
        if variable_value(own) is not context:
            count_scope_left()
        detach_context(token)


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


def bind_processes(child_context, reduce):
    """Let calls that were made before a fork run in ``child_context(context)``, and be pickled as ``reduce(call)`` says."""
    global context_of_child, reduce_call
    context_of_child, reduce_call = child_context, reduce
