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
    if not isinstance(processor, NativeBatchProcessor):
        return False
    for call in CALLS:
        if getattr(type(processor), call) is not getattr(NativeBatchProcessor, call):
            return False
    return True


cdef class NativeProcessors:
    """The first base of `nanospan.provider.SpanProcessors`; the second is the SDK's SynchronousMultiSpanProcessor."""

    def __cinit__(self):
        self.members = self.native = ()
        self.all_native = True

    @property
    def _span_processors(self):
        return self.members

    @_span_processors.setter
    def _span_processors(self, tuple members not None):
        native = tuple([processor if is_native(processor) else None for processor in members])
        self.all_native = None not in native
        self.only = members[0] if self.all_native and len(members) == 1 else None
        self.native = native
        self.members = members

    cdef bint has_foreign(self) noexcept:
        if not self.all_native:
            return True
        for processor in self.native:
            if (<NativeBatchProcessor> processor).patched:
                return True
        return False

    cdef tuple foreign_ones(self):
        """The members that are called as the SDK calls them, in their order."""
        cdef tuple members = self.members
        cdef tuple native = self.native
        if len(native) != len(members):
            native = (None,) * len(members)  # another thread is adding one
        return tuple([
            member for member, own in zip(members, native) if own is None or (<NativeBatchProcessor> own).patched
        ])

    cdef int started(self, EncodableSpan span, object parent_context) except -1:
        cdef NativeBatchProcessor only = self.only
        if (only is not None and not only.patched) or not self.has_foreign():
            return 0
        for processor in self.foreign_ones():
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
        if self.has_foreign():
            return self.end_beside_foreign(span)
        for processor in self.members:
            if (<NativeBatchProcessor> processor)._queue is not None:
                (<NativeBatchProcessor> processor)._queue.end_native(span)
        return 0

    cdef int end_beside_foreign(self, EncodableSpan span) except -1:
        cdef tuple foreign = self.foreign_ones()
        cdef set others = {id(member) for member in foreign}
        cdef list native = [member for member in self.members if id(member) not in others]
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
