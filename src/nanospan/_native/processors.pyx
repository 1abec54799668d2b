"""The processors of a provider, called for each span of the native tracer.

Those of nanospan are called without a Python frame and take the span as it is. Any other gets what the SDK gives it: the
span at its start, and a new ReadableSpan, the same for all, when it has ended. Foreign ones see an ended span first: they
may replace its fields, and what they leave is what nanospan's encode.
"""

from nanospan._foreign import report_fault
from nanospan._native.encoder cimport EncodableSpan
from nanospan._native.queue cimport NativeBatchProcessor

cdef tuple CALLS = ("on_start", "_on_ending", "on_end")


cdef bint is_native(object processor) except -1:
    """Whether none of the three calls is anybody else's."""
    cdef str call
    if not isinstance(processor, NativeBatchProcessor) or (<NativeBatchProcessor> processor).patched:
        return False
    for call in CALLS:
        if getattr(type(processor), call) is not getattr(NativeBatchProcessor, call):
            return False
    return True


cdef inline int tell(NativeBatchProcessor processor, EncodableSpan span) except -1:
    """What on_start does, for a span of the native tracer."""
    if processor._queue is not None and processor._queue.wants_starts:  # None while a subclass is being constructed
        processor._queue.started_native(span)
    return 0


cdef class NativeProcessors:
    """The first base of `nanospan.provider.SpanProcessors`; the second is the SDK's SynchronousMultiSpanProcessor."""

    def __cinit__(self):
        self.members = self.native = self.foreign = ()

    @property
    def _span_processors(self):
        return self.members

    @_span_processors.setter
    def _span_processors(self, tuple members not None):
        self.members = members
        self.divide()

    cdef int divide(self) except -1:
        native, foreign = [], []
        for member in self.members:
            (native if is_native(member) else foreign).append(member)
        self.only = native[0] if len(native) == 1 and not foreign else None
        self.native = tuple(native)
        self.foreign = tuple(foreign)
        return 0

    cdef int look_at_patches(self) except -1:
        """Whoever's call was replaced since the last look is foreign from now on."""
        for processor in self.native:
            if (<NativeBatchProcessor> processor).patched:
                return self.divide()
        return 0

    cdef int started(self, EncodableSpan span, object parent_context) except -1:
        cdef NativeBatchProcessor only = self.only
        if only is not None and not only.patched:
            tell(only, span)
            return 0
        if not self.members:
            return 0
        self.look_at_patches()
        for processor in self.native:
            tell(<NativeBatchProcessor> processor, span)
        for processor in self.foreign:
            try:
                processor.on_start(span, parent_context=parent_context)
            except Exception:
                report_fault(processor, "on_start")
        return 0

    cdef int ended(self, EncodableSpan span) except -1:
        cdef NativeBatchProcessor only = self.only
        if only is not None and not only.patched:
            if only._queue is not None:  # None while a subclass is being constructed
                only._queue.end_native(span)
            return 0
        if not self.members:
            return 0
        self.look_at_patches()
        if self.foreign:
            return self.end_beside_foreign(span)
        for processor in self.native:
            if (<NativeBatchProcessor> processor)._queue is not None:
                (<NativeBatchProcessor> processor)._queue.end_native(span)
        return 0

    cdef int end_beside_foreign(self, EncodableSpan span) except -1:
        cdef tuple native = self.native
        cdef tuple foreign = self.foreign
        readable = None
        try:
            for processor in foreign:
                try:
                    processor._on_ending(span)
                except Exception:
                    report_fault(processor, "_on_ending")
            readable = span.readable()
            for processor in foreign:
                try:
                    processor.on_end(readable)
                except Exception:
                    report_fault(processor, "on_end")
        finally:
            # Also when something that is no Exception is on its way out, a KeyboardInterrupt for one.
            if native:
                readable = span.readable() if readable is None else readable
                for processor in native:
                    processor.on_end(readable)
        return 0
