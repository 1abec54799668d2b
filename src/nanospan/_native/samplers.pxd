"""C-level sampling: what a native tracer asks instead of calling should_sample.

A tracer that already holds a trace id and the parent's flags calls `decide`: no Python object is made, and
the answer is a Decision's value. ASK means that only Python can tell (a sampler of the user's own is
involved): call should_sample.
"""

from libc.stdint cimport uint64_t

cdef extern from "ns_threshold.h" nogil:
    ctypedef struct ns_ratio:
        uint64_t bound
        bint always

# Bits of the `parent` argument; without PARENT_VALID the other two are not read.
cdef enum:
    PARENT_VALID = 1
    PARENT_REMOTE = 2
    PARENT_SAMPLED = 4

# ASK, or the value of the SDK's Decision member of the same name.
cdef enum:
    ASK = -1
    DROP = 0
    RECORD_ONLY = 1
    RECORD_AND_SAMPLE = 2


cdef class NativeSampler:
    # True once constructed as exactly one of the classes that `native_route` registered: only then does the
    # native route stand for the methods that Python would find on the object.
    cdef bint native
    # How many samplers lie under this one; bounds the recursion of `decide`.
    cdef int depth

    # trace_id_low: the least significant 64 bits of the trace id.
    cdef int decide(self, uint64_t trace_id_low, int parent) noexcept nogil

    # should_sample for a caller that has read the parent already (parent: its valid SpanContext, or None).
    cdef object sample(self, object parent_context, object parent, object trace_id, object name, object kind,
                       object attributes, object links)


cdef class NativeStaticSampler(NativeSampler):
    cdef object decision
    cdef int verdict


cdef class NativeTraceIdRatioBased(NativeSampler):
    cdef ns_ratio ratio


cdef class NativeParentBased(NativeSampler):
    # In the order of delegate_index; `routes` of foreign delegates answer ASK.
    cdef tuple delegates
    cdef NativeSampler root_route
    cdef NativeSampler remote_sampled_route
    cdef NativeSampler remote_not_sampled_route
    cdef NativeSampler local_sampled_route
    cdef NativeSampler local_not_sampled_route
