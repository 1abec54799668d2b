from nanospan._native.context.ids cimport NativeIdGenerator
from nanospan._native.sampling.samplers cimport NativeSampler
from nanospan._native.trace.span cimport SpanShared

# What a span is started with is read without a lock, field by field: whatever mixture of old and new a thread sees that starts
# one while a field is assigned was in force at some moment.
cdef class NativeTracer:
    cdef SpanShared shared
    cdef NativeSampler native_sampler    # decides natively, where it can, what shared.sampler would
    cdef object scope_name      # of shared.instrumentation_scope; None for none
    cdef object own_id_generator
    cdef NativeIdGenerator native_ids  # own_id_generator, if it is exactly nanospan's; else None
    cdef object config
    cdef bint enabled
    cdef object metrics
    cdef bint metered
    cdef bint patched           # start_span or start_as_current_span was assigned on the instance
    cdef list kept_alive            # without an interpreter lock: what the fields were before

    cdef int assign_sampler(self, object sampler, object native) except -1
