from cpython.object cimport PyObject

# The current Context, or what a foreign runtime context calls current.
cdef object current_context()

# The span that a Context (None: the current one) holds, or the API's INVALID_SPAN: as trace.get_current_span.
cdef object span_in(object context)


# What it takes to undo make_current; both references are owned.
cdef struct Activated:
    PyObject *context  # NULL if a foreign runtime context has it
    PyObject *token    # NULL when there is nothing to undo

# Notices a runtime context that was put in place since the last look; current_context, and span_in(None), do so themselves.
cdef int look_at_runtime() except -1

# To be called after such a look. Makes a Context current that is what is current now, with this span in it.
cdef int make_current(object span, Activated *made) except -1

# Makes current again what was. What goes wrong is logged, as opentelemetry.context.detach does, and not raised.
cdef int undo_current(Activated *made) except -1
