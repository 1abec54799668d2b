"""C-level sampling: what a native tracer asks instead of calling should_sample.

A sampler that is `plain` is asked with `decide`, which sees the trace id and the parent's flags; any other one with
`answer`, which sees everything that the tracer knows and may give the span another trace state. Neither makes a Python
object for a trace that starts here. An answer is a Decision's value, or ASK where only Python can tell (a sampler of the
user's own is involved): call should_sample.
"""

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from nanospan._native.sampling.csrc cimport ns_ot, ns_ratio


# Bits of a `parent`; without PARENT_VALID the next two are not read. PARENT_RANDOM is the trace's random flag (W3C level 2),
# also that of a trace that starts here; PARENT_UNSURE: of which nobody knows whether its id is random.
cdef enum:
    PARENT_VALID = 1
    PARENT_REMOTE = 2
    PARENT_SAMPLED = 4
    PARENT_RANDOM = 8
    PARENT_UNSURE = 16

# ASK, or the value of the SDK's Decision member of the same name.
cdef enum:
    ASK = -1
    DROP = 0
    RECORD_ONLY = 1
    RECORD_AND_SAMPLE = 2


# A chain of samplers longer than this is followed through Python, whose recursion limit then guards the stack.
cdef enum:
    NATIVE_DEPTH_LIMIT = 32


# About one span. Every pointer is borrowed.
cdef struct SamplingInput:
    uint64_t trace_high
    uint64_t trace_low
    int parent               # PARENT_* bits
    bint state_given         # parent_state is an argument of should_sample, not the parent's
    PyObject *trace_id       # the int; NULL: not made yet
    PyObject *parent_state   # TraceState; NULL: none, or the API's default, an empty one
    PyObject *context        # as the tracer was given it; None for the current one
    PyObject *name
    PyObject *kind
    PyObject *attributes
    PyObject *links
    PyObject *scope_name     # of the instrumentation scope; NULL: unknown (behind the stock tracer)


# What `answer` says besides the decision. Whoever asks clears it before, and owns both references after.
cdef struct SamplingOutput:
    PyObject *state          # read if state_changed: the TraceState of the span; NULL: an empty one
    PyObject *attributes     # what the span starts with; NULL: the attributes of the question
    bint state_changed       # if not, the span has the parent's trace state as it came


cdef class NativeSampler:
    # False once constructed as exactly one of the classes that `native_class` registered, until should_sample is assigned:
    # only then do `decide` and `answer` stand for the methods that Python would find on the object.
    cdef bint patched
    cdef bint decides_by_id  # `decide` is enough, or says ASK; False only if not patched
    cdef bint consistent     # its thresholds, or that there is none, are told in the trace state
    cdef bint root_only      # asked about the child of a remote parent, it tears traces: that earns a warning
    cdef bint counts_spans   # wants to be told with `note` of sampled spans that others decided on
    # How many samplers lie under this one; bounds the recursion of `decide` and `answer`.
    cdef int depth

    # trace_id_low: the least significant 64 bits of the trace id.
    cdef int decide(self, uint64_t trace_id_low, int parent) noexcept nogil

    cdef int answer(self, SamplingInput *question, SamplingOutput *answer) except -2

    # R of the trace: `rv`, or what this sampler takes in its place.
    cdef uint64_t randomness_of(self, const SamplingInput *question, const ns_ot *ot) noexcept

    # A span was sampled for its parent's sake, or by another rule.
    cdef void note(self, const SamplingInput *question) noexcept

    # should_sample for a caller that has read the parent already (parent: its valid SpanContext, or None).
    cdef object sample(self, object parent_context, object parent, object trace_id, object name, object kind,
                       object attributes, object links, object trace_state)

    # The same by way of `answer`; the second for a caller that has put the parent's bits and the scope into the question.
    cdef object sample_by_answer(self, object parent_context, object parent, object trace_id, object name, object kind,
                                 object attributes, object links, object trace_state)
    cdef object sample_question(self, SamplingInput *question, object parent_context, object parent, object trace_id, object name,
                                object kind, object attributes, object links, object trace_state)


cdef class NativeStaticSampler(NativeSampler):
    cdef object decision
    cdef int verdict


cdef class NativeTraceIdRatioBased(NativeSampler):
    cdef ns_ratio ratio


cdef class NativeParentBased(NativeSampler):
    # In the order of delegate_index; `natives` of foreign delegates answer ASK.
    cdef tuple delegates
    cdef bint asks_more      # one of the delegates is not plain
    cdef NativeSampler native_root
    cdef NativeSampler native_remote_sampled
    cdef NativeSampler native_remote_not_sampled
    cdef NativeSampler native_local_sampled
    cdef NativeSampler native_local_not_sampled

    cdef NativeSampler native_at(self, int index)
    cdef int raise_threshold(self, SamplingInput *question, SamplingOutput *answer, NativeSampler native) except -1
    cdef int check_threshold(self, SamplingInput *question, SamplingOutput *answer, NativeSampler native, int decision) except -1


# The sampler itself if it is native, else one that answers ASK.
cdef NativeSampler native_of(object sampler)

# Whether `native_class` registered the class of a sampler.
cdef bint has_native_class(object sampler)

# What a sampler of any make says to a question; `native` is its native_of.
cdef int answer_of(NativeSampler native, object sampler, SamplingInput *question, SamplingOutput *answer) except -2

# A Decision of the SDK's, or what takes its place, as the value that `decide` returns.
cdef int decision_of(object verdict) except -1

# Warns, once a process, of the torn traces that a sampler that is `root_only` makes.
cdef int warn_of_torn_traces(NativeSampler sampler) except -1

# What the `ot` member of the question's trace state says. False if it has none, or a malformed one.
cdef bint read_ot(const SamplingInput *question, ns_ot *ot) except -1

# Gives the span the question's trace state with `th` set to `threshold` (NS_OT_NONE: removed) and, unless NS_OT_NONE, an
# `rv` added where there is none. Leaves the answer as it is where nothing changes.
cdef int write_ot(const SamplingInput *question, SamplingOutput *answer, uint64_t threshold, uint64_t randomness) except -1

# A TraceState of nothing but this threshold.
cdef object state_of_threshold(uint64_t threshold)

# Which shortcuts past the SDK's Python code this SDK release allows; they save time, nothing else.
cdef int shortcuts_in_use(bint *context_is_tuple, bint *result_has_three_fields) except -1
