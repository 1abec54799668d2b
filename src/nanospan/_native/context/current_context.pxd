from cpython.object cimport PyObject

# trace.get_current_span: the span in a Context (None: the current one), or the API's INVALID_SPAN.
cdef object span_in(object context)

# opentelemetry.context.get_current, and attach; `detach_own` is False if the token is to be given to `detach`.
cdef object context_now()
cpdef object attach_context(object context)
cdef bint detach_own(object token) noexcept

# trace.set_span_in_context: a new Context with the entries of this one, and the span.
cdef object context_with(object context, object span)

# Whether context_with runs no Python code in this release of the API: a Context is constructed as a dict is.
cdef bint context_is_dict() noexcept


# The state that undo_current needs; owned references.
cdef struct Activated:
    PyObject *context  # NULL with a foreign runtime context
    PyObject *token    # NULL: nothing to undo

# Detects a replaced runtime context; span_in(None) does so itself.
cdef int refresh_runtime() except -1

# Makes the current Context with this span in it current. The caller calls refresh_runtime or span_in(None) first.
cdef int make_current(object span, Activated *made) except -1

# Restores the previous Context. Failures are logged, not raised, as by opentelemetry.context.detach.
cdef int undo_current(Activated *made) except -1
