# What C decides, one call each, for tests and for samplers written in Python; included by samplers.pyx.

def fast_paths():
    """Which shortcuts past the SDK's Python code this SDK release allows; they save time, nothing else."""
    return {"span_context_is_tuple": span_context_is_tuple, "result_by_fields": result_by_fields}


def decide(NativeSampler sampler not None, trace_id, *, valid=False, remote=False, sampled=False):
    """What a native tracer is told: the value of a Decision, or -1 when should_sample has to be called.

    `valid`, `remote` and `sampled` describe the parent.
    """
    cdef int parent = (
        (PARENT_VALID if valid else 0) | (PARENT_REMOTE if remote else 0) | (PARENT_SAMPLED if sampled else 0)
    )
    cdef uint64_t low = PyLong_AsUnsignedLongLongMask(trace_id)
    with nogil:
        parent = sampler.decide(low, parent)
    return parent


def sampled_of(NativeSampler sampler not None, uint64_t count, uint64_t seed=0):
    """How many of `count` traces that start here the sampler keeps, asked as a native tracer asks. The trace ids follow from
    the seed (splitmix64)."""
    cdef SamplingInput question
    cdef SamplingOutput answer
    cdef uint64_t i, kept = 0
    cdef int decision
    nothing, no_name = None, ""
    question.parent, question.state_given = PARENT_RANDOM, False
    question.trace_id = question.parent_state = question.scope_name = NULL
    question.context = question.kind = question.attributes = question.links = <PyObject *> nothing
    question.name = <PyObject *> no_name
    for i in range(count):
        question.trace_high, question.trace_low = splitmix64(&seed), splitmix64(&seed)
        if load_flag(&sampler.decides_by_id):
            decision = sampler.decide(question.trace_low, 0)
        else:
            answer.state = answer.attributes = NULL
            answer.state_changed = False
            decision = sampler.answer(&question, &answer)
            Py_XDECREF(answer.state)
            Py_XDECREF(answer.attributes)
        kept += decision == RECORD_AND_SAMPLE
    return kept


cdef inline uint64_t splitmix64(uint64_t *state) noexcept nogil:
    cdef uint64_t mixed
    state[0] += <uint64_t> 0x9E3779B97F4A7C15
    mixed = state[0]
    mixed = (mixed ^ mixed >> 30) * <uint64_t> 0xBF58476D1CE4E5B9
    mixed = (mixed ^ mixed >> 27) * <uint64_t> 0x94D049BB133111EB
    return mixed ^ mixed >> 31


def ratio_keeps(trace_id, bound):
    """Whether TraceIdRatioBased with this bound (0 to 2**64) keeps a trace id."""
    cdef ns_ratio ratio
    if not 0 <= bound <= 2**64:
        raise ValueError(f"bound must be in 0..2**64, not {bound}")
    ratio.always = bound == 2**64
    ratio.bound = PyLong_AsUnsignedLongLongMask(bound)
    return ns_ratio_keeps(ratio, PyLong_AsUnsignedLongLongMask(trace_id))


cdef uint64_t checked56(str argument, value) except? 0:
    if not 0 <= value < 2**56:
        raise ValueError(f"{argument} must be in 0..2**56-1, not {value}")
    return value


def threshold_keeps(randomness, threshold):
    """Whether a consistent sampler with this threshold keeps a trace of this randomness (both 56 bits)."""
    return ns_threshold_keeps(checked56("randomness", randomness), checked56("threshold", threshold))


def threshold_from_text(str text not None):
    """The 56-bit threshold that a `th` value stands for, or None if it is not a legal value."""
    cdef uint64_t threshold = 0
    cdef bytes raw = text.encode("utf-8", "replace")
    return threshold if ns_threshold_decode(raw, len(raw), &threshold) else None


def randomness_from_text(str text not None):
    """The 56-bit randomness that an `rv` value stands for, or None if it is not a legal value."""
    cdef uint64_t randomness = 0
    cdef bytes raw = text.encode("utf-8", "replace")
    return randomness if ns_randomness_decode(raw, len(raw), &randomness) else None


def threshold_to_text(threshold):
    """The shortest `th` value of a 56-bit threshold. Raises ValueError outside 0..2**56-1."""
    cdef char text[NS_THRESHOLD_DIGITS]
    cdef size_t length = ns_threshold_encode(checked56("threshold", threshold), text)
    return text[:length].decode("ascii")


def threshold_from_probability(double probability, unsigned precision=4):
    """The 56-bit threshold of a sampling probability in [2**-56, 1].

    `precision` counts significant hex digits (one more is spent for each leading f, up to 12); from 14 on
    nothing is rounded.
    Raises ValueError when either argument is out of range.
    """
    cdef uint64_t threshold = 0
    if not ns_threshold_of_probability(probability, precision, &threshold):
        raise ValueError(
            f"probability must be in [2**-56, 1] and precision at least 1, not {probability} and {precision}"
        )
    return threshold
