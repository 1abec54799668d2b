# The SDK's SamplingResult; included by samplers.pxi.

cdef object result_type = SamplingResult
cdef object no_attributes = MappingProxyType({})
cdef object drop = Decision.DROP
cdef object record_only = Decision.RECORD_ONLY
cdef object record_and_sample = Decision.RECORD_AND_SAMPLE


cdef bint sets_three_fields():
    """Whether the constructor of SamplingResult sets exactly its three public fields."""
    state, attributes = TraceState(), {"a": "b"}
    made = SamplingResult(drop, attributes, state)
    return (
        SamplingResult.__new__ is object.__new__
        and type(made).__setattr__ is object.__setattr__
        and list(vars(made)) == ["decision", "attributes", "trace_state"]
        and made.decision is drop
        and type(made.attributes) is MappingProxyType
        and made.attributes == attributes
        and made.trace_state is state
    )


# Skips the constructor, a Python function that costs more than the decision. False after a release that changes it.
cdef bint result_by_fields = sets_three_fields()


cdef object make_result(object decision, object attributes, object trace_state):
    """A SamplingResult. Its attributes are a read-only view; DROP has none."""
    if decision is drop:
        attributes = None
    if not result_by_fields:
        return result_type(decision, attributes, trace_state)
    view = no_attributes if attributes is None else PyDictProxy_New(attributes)
    result = PyType_GenericAlloc(<PyTypeObject *>result_type, 0)
    result.decision = decision
    result.attributes = view
    result.trace_state = trace_state
    return result


cdef int decision_of(object verdict) except -1:
    if verdict is record_and_sample:
        return RECORD_AND_SAMPLE
    if verdict is drop:
        return DROP
    if verdict is record_only:
        return RECORD_ONLY
    if verdict.is_sampled():
        return RECORD_AND_SAMPLE
    return RECORD_ONLY if verdict.is_recording() else DROP


cdef object decision_from(int value):
    if value == RECORD_AND_SAMPLE:
        return record_and_sample
    return record_only if value == RECORD_ONLY else drop
