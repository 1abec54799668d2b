from cpython.object cimport PyObject

# The span that a Context (None: the current one) holds, or the API's INVALID_SPAN: as trace.get_current_span.
cdef object span_in(object context)

# A new Context: the entries of this one, and the span. As trace.set_span_in_context.
cdef object context_with(object context, object span)

# Whether that takes no Python in this release of the API: a Context is made as a dict is.
cdef bint context_is_dict() noexcept


# What it takes to undo make_current; both references are owned.
cdef struct Activated:
    PyObject *context  # NULL if a foreign runtime context has it
    PyObject *token    # NULL when there is nothing to undo

# Notices a runtime context that was put in place since the last look; span_in(None) does so itself.
cdef int look_at_runtime() except -1

# To be called after such a look. Makes a Context current that is what is current now, with this span in it.
cdef int make_current(object span, Activated *made) except -1

# Makes current again what was. What goes wrong is logged, as opentelemetry.context.detach does, and not raised.
cdef int undo_current(Activated *made) except -1
