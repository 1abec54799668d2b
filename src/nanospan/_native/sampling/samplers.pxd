"""C-level sampling: native tracers call it instead of should_sample.

A sampler with `decides_by_id` is called through `decide`, which gets the trace id and the parent's flags; any other sampler
through `answer`, which gets the whole SamplingInput and may change the trace state. Neither creates a Python object for a
new root. Both return a Decision's value, or UNDECIDED if a user's own sampler is involved; the caller then calls
should_sample.
"""

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from nanospan._native.sampling.csrc cimport ns_ot, ns_ratio


# Bits of `parent`. PARENT_REMOTE and PARENT_SAMPLED are read only with PARENT_VALID. PARENT_RANDOM is the random flag of the
# trace (W3C level 2), also for a new root. PARENT_UNSURE: a new root whose random flag is unknown.
cdef enum:
    PARENT_VALID = 1
    PARENT_REMOTE = 2
    PARENT_SAMPLED = 4
    PARENT_RANDOM = 8
    PARENT_UNSURE = 16

# Values of the SDK's Decision members; UNDECIDED: only Python can decide.
cdef enum:
    UNDECIDED = -1
    DROP = 0
    RECORD_ONLY = 1
    RECORD_AND_SAMPLE = 2


# Longer chains of samplers are called through Python, whose recursion limit protects the stack.
cdef enum:
    NATIVE_DEPTH_LIMIT = 32


# The arguments of one decision. All references are borrowed.
cdef struct SamplingInput:
    uint64_t trace_high
    uint64_t trace_low
    int parent               # PARENT_* bits
    bint state_given         # parent_state is an argument of should_sample, not the parent's trace state
    PyObject *trace_id       # int; NULL: not created yet
    PyObject *parent_state   # TraceState; NULL: none, or the API's empty default
    PyObject *context        # the tracer's argument; None: the current Context
    PyObject *name
    PyObject *kind
    PyObject *attributes
    PyObject *links
    PyObject *scope_name     # of the instrumentation scope; NULL: unknown (called by the SDK's tracer)


# Output of `answer` besides the decision. The caller zeroes it first and then owns both references.
cdef struct SamplingOutput:
    PyObject *state          # valid if state_changed: the TraceState of the span; NULL: empty
    PyObject *attributes     # the initial attributes of the span; NULL: those of the input
    bint state_changed       # False: the span inherits the parent's trace state


cdef class NativeSampler:
    # False while the type is exactly a class registered by `native_class` and should_sample was not assigned: only then are
    # `decide` and `answer` equivalent to the Python methods of the object.
    cdef bint patched
    cdef bint decides_by_id  # `decide` suffices, or returns UNDECIDED; False only if not patched
    cdef bint consistent     # the trace state reports its threshold, or that there is none
    cdef bint root_only      # deciding on a remote parent's child splits the trace; warn once
    cdef bint counts_spans   # `count_span` is called for sampled spans that other samplers decided on
    cdef int depth           # levels of delegates below this sampler; bounds the recursion of `decide` and `answer`

    # trace_id_low: the least significant 64 bits of the trace id.
    cdef int decide(self, uint64_t trace_id_low, int parent) noexcept nogil

    cdef int answer(self, SamplingInput *given, SamplingOutput *output) except -2

    # The randomness R of the trace: `rv`, else the value that this sampler derives from the trace id.
    cdef uint64_t randomness_of(self, const SamplingInput *given, const ns_ot *ot) noexcept

    # Records a span that was sampled because of its parent, or by another rule.
    cdef void count_span(self, const SamplingInput *given) noexcept

    # should_sample with the parent already read (parent: its valid SpanContext, or None).
    cdef object sample(self, object parent_context, object parent, object trace_id, object name, object kind,
                       object attributes, object links, object trace_state)

    # The same through `answer`. `sample_from_input`: the caller has set parent and scope_name of the input.
    cdef object sample_by_answer(self, object parent_context, object parent, object trace_id, object name, object kind,
                                 object attributes, object links, object trace_state)
    cdef object sample_from_input(self, SamplingInput *given, object parent_context, object parent, object trace_id,
                                  object name, object kind, object attributes, object links, object trace_state)

    # The arguments of `_bind`, for copies and pickles. TypeError: the sampler has measurements of its process.


cdef class NativeStaticSampler(NativeSampler):
    cdef object decision
    cdef int verdict


cdef class NativeTraceIdRatioBased(NativeSampler):
    cdef ns_ratio ratio


cdef class NativeParentBased(NativeSampler):
    cdef tuple delegates     # in the order of delegate_index; below, foreign_sampler stands for those that are not native
    cdef bint needs_full_decision      # a delegate does not decide by id
    cdef NativeSampler native_root
    cdef NativeSampler native_remote_sampled
    cdef NativeSampler native_remote_not_sampled
    cdef NativeSampler native_local_sampled
    cdef NativeSampler native_local_not_sampled

    cdef NativeSampler native_at(self, int index)
    cdef int raise_threshold(self, SamplingInput *given, SamplingOutput *output, NativeSampler native) except -1
    cdef int check_threshold(self, SamplingInput *given, SamplingOutput *output, NativeSampler native,
                             int decision) except -1


# The sampler itself if it is native, else a sampler that returns UNDECIDED.
cdef NativeSampler native_of(object sampler)

# Whether `native_class` registered the class of a sampler.
cdef bint has_native_class(object sampler)

# The decision of any sampler; `native` is native_of(sampler).
cdef int answer_of(NativeSampler native, object sampler, SamplingInput *given, SamplingOutput *output) except -2

# The return value of `decide` for an SDK Decision, or for an object with the methods of one.
cdef int decision_of(object verdict) except -1

# Warns once in the process that a `root_only` sampler splits traces.
cdef int warn_of_split_traces(NativeSampler sampler) except -1

# Reads the `ot` member of the parent's trace state. False if it is absent or malformed.
cdef bint read_ot(const SamplingInput *given, ns_ot *ot) except -1

# Sets the output's trace state to the parent's with `th` replaced (threshold NS_OT_NONE: removed) and, unless randomness is
# NS_OT_NONE, `rv` added if absent. Leaves the output alone if nothing changes.
cdef int write_ot(const SamplingInput *given, SamplingOutput *output, uint64_t threshold, uint64_t randomness) except -1

# A new TraceState that contains only this threshold.
cdef object state_of_threshold(uint64_t threshold)

# The shortcuts past the SDK's Python code that are valid for this SDK release. They change speed only.
cdef int shortcuts_in_use(bint *span_context_is_plain, bint *result_has_three_fields) except -1
