from nanospan._native.context cimport NativeIdGenerator
from nanospan._native.sampling cimport NativeSampler

# Starting a span reads the fields one by one, without a lock. While a field is being assigned, a thread may see a mixture of
# old and new values; each of them was valid at some moment.
cdef class NativeTracer:
    cdef SpanShared shared
    cdef NativeSampler native_sampler  # the native form of shared.sampler; foreign_sampler if it has none
    cdef object scope_name      # of shared.instrumentation_scope, or None
    cdef object own_id_generator
    cdef NativeIdGenerator native_ids  # own_id_generator if it is exactly nanospan's, else None
    cdef object config
    cdef bint enabled
    cdef object metrics
    cdef bint metered
    cdef bint patched           # start_span or start_as_current_span was assigned on the instance
    cdef bint constructed       # so that other threads may read it
    cdef list kept_alive        # free-threaded build: earlier values of the fields

    cdef int assign_sampler(self, object sampler, object native) except -1
