"""The life of one span around the application's code. nanospan.messaging has the operations, which derive from it.

What fails inside a scope, the application's code does not notice: it is counted and logged.
"""

from time import perf_counter

from opentelemetry.trace import INVALID_SPAN

from nanospan._native.context cimport attach_context, context_now, context_with, detach_own

cdef object invalid_span = INVALID_SPAN

# Names of attributes, and functions of nanospan.messaging; set once.
cdef str message_id_name = None
cdef str partition_name = None
cdef str conversation_id_name = None
cdef str body_size_name = None
cdef str envelope_size_name = None
cdef str batch_count_name = None
cdef object text_of = None
cdef object add_old_names = None
cdef object refuse_facts = None
cdef object log_failure = None
cdef object mark_failed = None
cdef object detach_foreign = None
cdef frozenset known_facts = frozenset()


def bind_facts(
        known, refuse, text, old_names, *, message_id, partition, conversation_id, body_size, envelope_size, batch_count):
    """Set the names of the facts, those of their attributes, and what Python code does with unusual ones."""
    global known_facts, refuse_facts, text_of, add_old_names, message_id_name, partition_name, conversation_id_name
    global body_size_name, envelope_size_name, batch_count_name
    known_facts, refuse_facts, text_of, add_old_names = frozenset(known), refuse, text, old_names
    message_id_name, partition_name, conversation_id_name = message_id, partition, conversation_id
    body_size_name, envelope_size_name, batch_count_name = body_size, envelope_size, batch_count


def bind_scope(*, failure, mark, detach):
    """Set what is done with what fails."""
    global log_failure, mark_failed, detach_foreign
    log_failure, mark_failed, detach_foreign = failure, mark, detach


cdef inline object as_text(object value):
    if type(value) is str:
        return value
    return str(value) if type(value) is int else text_of(value)


def check_facts(dict facts not None):
    """Raise TypeError for an unknown keyword, as Python does."""
    for name in facts:
        if name not in known_facts:
            refuse_facts(name)


def add_facts(dict attributes not None, dict facts not None, system, bint both_sets):
    """Add what is given to ``attributes``, and the old names if ``both_sets``."""
    for name, value in facts.items():
        if value is None:
            continue
        if name == "message_id":
            attributes[message_id_name] = as_text(value)
        elif name == "partition":
            attributes[partition_name] = as_text(value)
        elif name == "conversation_id":
            attributes[conversation_id_name] = as_text(value)
        elif name == "body_size":
            attributes[body_size_name] = value
        elif name == "envelope_size":
            attributes[envelope_size_name] = value
    others = facts.get("attributes")
    if others:
        for name, value in others.items():
            if value is not None:
                attributes[name] = value
    if both_sets:
        add_old_names(system, attributes)


cdef class NativeScope:
    """Context manager of one operation. A subclass has ``_begin``, ``_measure``, and its own ``_finish`` if it must."""

    cdef public object _client
    cdef public object _operation
    cdef public dict _facts
    cdef public object _token
    cdef public object _error_type
    cdef public object span
    cdef public double _began
    cdef public bint _entered
    cdef public bint _ended

    def __cinit__(self):
        self.span = invalid_span

    def __init__(self, client, operation, dict facts not None):
        if facts:
            check_facts(facts)
        self._client = client
        self._operation = operation
        self._facts = facts

    def __enter__(self):
        try:
            if self._entered:
                # The span and the token of the first time would be lost.
                raise RuntimeError("it was used before: make one for each operation")
            self._entered = True
            if self._client.metrics is not None:
                self._began = perf_counter()
            self._begin()
        except Exception:
            log_failure(f"the start of a {self._operation.type} span")
        return self

    def __exit__(self, cls, error, traceback):
        try:
            self._finish(error)
        except Exception:
            log_failure(f"the end of a {self._operation.type} span")

    def _start(self, kind, links, batch=None, parent=None, more=None):
        """Start the span, of ``batch`` messages, and return the context with it."""
        cdef dict attributes
        client = self._client
        attributes = (<dict?> self._operation.attributes).copy()
        if self._facts:
            add_facts(attributes, self._facts, client.client.system, client.client.both_sets)
        if batch is not None:
            attributes[batch_count_name] = batch
        if more:
            attributes.update(more)
        self.span = client.tracer.start_span(
            self._operation.span_name, parent, kind=kind, attributes=attributes, links=links
        )
        return context_with(context_now() if parent is None else parent, self.span)

    def _activate(self, context):
        self._token = attach_context(context)

    def _finish(self, error):
        cdef bint ended = self._ended
        token = self._token
        self._ended = True
        self._token = None
        if token is not None and not detach_own(token):
            detach_foreign(token)
        if ended:
            return
        try:
            # A generator that is closed has not failed.
            if error is not None and not isinstance(error, GeneratorExit):
                self._error_type = mark_failed(self.span, error)
        finally:
            self.span.end()
            if self._client.metrics is not None:
                self._measure()
