"""The processors of a provider, called for each span of the native tracer.

nanospan's own processors are called without a Python frame, with a view of the native span. All others (foreign processors)
get the same objects as from the SDK: the span at its start, and at its end one new ReadableSpan for all of them. Foreign
processors run first at the end: they may replace fields of the span, and nanospan's encode the result.
"""

cimport cython
from cpython.object cimport PyObject

from nanospan._common.log import log_callback_error
from nanospan._native.base.patches cimport inherits
from nanospan._native.base.threads cimport FREE, enter, keep_alive, leave, load_flag, nspy_section, store_flag
from nanospan._native.encoding.span_view cimport SpanView
from nanospan._native.queue cimport NativeBatchProcessor, SpanQueue, queue_of

cdef extern from *:
    """
    #define nspy_set_only(processors, one) NSPY_REPLACE((processors)->only, one)
    """
    PyObject *set_only "nspy_set_only"(NativeProcessors processors, object one)

cdef tuple METHODS = ("on_start", "_on_ending", "on_end")


cdef bint is_native(object processor) except -1:
    """Whether all three methods are nanospan's own."""
    return (
        isinstance(processor, NativeBatchProcessor)
        and not load_flag(&(<NativeBatchProcessor> processor).patched)
        and inherits(type(processor), NativeBatchProcessor, METHODS)
    )


cdef inline int pass_start(NativeBatchProcessor processor, SpanView *view) except -1:
    """on_start of nanospan's processor, without a Python frame."""
    cdef PyObject *queue = queue_of(processor)
    if queue is not <PyObject *> None and (<SpanQueue> queue).wants_starts:  # None while a subclass is being constructed
        (<SpanQueue> queue).started(view)
    return 0


cdef inline int pass_end(NativeBatchProcessor processor, SpanView *view) except -1:
    """on_end of nanospan's processor, without a Python frame."""
    cdef PyObject *queue = queue_of(processor)
    if queue is not <PyObject *> None:
        (<SpanQueue> queue).end(view)
    return 0


cdef class NativeProcessors:
    """The first base of `nanospan.trace.provider.SpanProcessors`; the second is the SDK's SynchronousMultiSpanProcessor."""

    def __cinit__(self):
        self.members = self.native = self.foreign = ()
        self.empty = True

    @property
    @cython.critical_section
    def _span_processors(self):
        return self.members

    @_span_processors.setter
    @cython.critical_section
    def _span_processors(self, tuple members not None):
        _was = self.members  # released only when the new state is complete: that may run Python code
        self.members = members
        self.divide()

    cdef int divide(self) except -1:
        members = None
        while members is not self.members:  # is_native may run Python code, and another thread may assign
            members = self.members
            native, foreign = [], []
            for member in members:
                (native if is_native(member) else foreign).append(member)
        self.native = tuple(native)
        self.foreign = tuple(foreign)
        store_flag(&self.empty, not self.members)
        # Publish last: a span that reads None takes the section and reads the tuples.
        owned = set_only(self, native[0] if len(native) == 1 and not foreign else None)
        self.kept_alive = keep_alive(self.kept_alive, owned)
        return 0

    @cython.critical_section
    cdef int check_patches(self) except -1:
        """Moves processors with a replaced method to the foreign ones."""
        for processor in self.native:
            if load_flag(&(<NativeBatchProcessor> processor).patched):
                return self.divide()
        return 0

    cdef int started(self, SpanView *view, object parent_context) except -1:
        cdef nspy_section section
        cdef NativeBatchProcessor _kept
        cdef PyObject *only = only_of(self)
        if only is not <PyObject *> None and not load_flag(&(<NativeBatchProcessor> only).patched):
            if not FREE:
                _kept = <NativeBatchProcessor> only  # own a reference: Python code may remove it from the members
            pass_start(<NativeBatchProcessor> only, view)
            return 0
        if load_flag(&self.empty):
            return 0
        self.check_patches()
        enter(&section, self)
        native, foreign = self.native, self.foreign
        leave(&section)
        for processor in native:
            pass_start(<NativeBatchProcessor> processor, view)
        for processor in foreign:
            try:
                processor.on_start(<object> view.span, parent_context=parent_context)
            except Exception:
                log_callback_error(processor, "on_start")
        return 0

    cdef int ending(self, object span) except -1:
        cdef nspy_section section
        enter(&section, self)
        foreign = self.foreign
        leave(&section)
        for processor in foreign:
            try:
                processor._on_ending(span)
            except Exception:
                log_callback_error(processor, "_on_ending")
        return 0

    cdef int ended(self, SpanView *view) except -1:
        cdef nspy_section section
        cdef NativeBatchProcessor _kept
        cdef PyObject *only = only_of(self)
        if only is not <PyObject *> None and not load_flag(&(<NativeBatchProcessor> only).patched):
            if not FREE:
                _kept = <NativeBatchProcessor> only  # own a reference, as in `started`
            return pass_end(<NativeBatchProcessor> only, view)
        if load_flag(&self.empty):
            return 0
        self.check_patches()
        enter(&section, self)
        native, foreign = self.native, self.foreign
        leave(&section)
        if foreign:
            return self.end_beside_foreign(view, native, foreign)
        for processor in native:
            pass_end(<NativeBatchProcessor> processor, view)
        return 0

    cdef int end_beside_foreign(self, SpanView *view, tuple native, tuple foreign) except -1:
        readable = view.calls.readable(view.span)
        try:
            for processor in foreign:
                try:
                    processor.on_end(readable)
                except Exception:
                    log_callback_error(processor, "on_end")
        finally:
            # Also for a BaseException, such as KeyboardInterrupt.
            for processor in native:
                processor.on_end(readable)
        return 0
