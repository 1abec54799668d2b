# The native way of starting a span; included by tracer.pyx.

cdef object sdk_decision(int decision):
    if decision == RECORD_AND_SAMPLE:
        return sdk_record_and_sample
    return sdk_record_only if decision == RECORD_ONLY else sdk_drop


cdef NativeSpanBase identified(object context):
    """The parent that a span of another make stands for; None if its context is no plain SpanContext."""
    cdef NativeSpanBase made = NativeSpanBase.__new__(NativeSpanBase)
    made.adopt(context)
    return made if made.as_numbers else None


cdef inline object steal_reference(PyObject *owned):
    """An owned reference as an object that Cython owns."""
    value = <object> owned
    Py_DECREF(value)
    return value


cdef int ask(NativeTracer self, NativeSampler route, const Ids *ids, int parent, object trace_state, object context,
             object name, object kind, object attributes, object links, SamplingOutput *answer) except -2:
    """The decision of a sampler to whom trace id and flags say too little; `answer` is the caller's to release."""
    cdef SamplingInput question
    question.trace_high, question.trace_low = ids.trace_high, ids.trace_low
    question.parent = parent | PARENT_RANDOM if ids.flags & RANDOM else parent
    question.state_given = False
    question.trace_id = NULL
    question.parent_state = NULL if trace_state is None else <PyObject *> trace_state
    question.context = <PyObject *> context
    question.name = <PyObject *> name
    question.kind = <PyObject *> kind
    question.attributes = <PyObject *> attributes
    question.links = <PyObject *> links
    question.scope_name = scope_name_of(self)
    if question.scope_name is <PyObject *> None:
        question.scope_name = NULL
    return route.answer(&question, answer)


cdef object start_unmetered(NativeTracer self, object name, object context, object kind, object attributes, object links,
                         object start_time, bint record_exception, bint set_status_on_exception):
    cdef SpanShared shared = <SpanShared> shared_of(self)
    cdef NativeSpanBase parent = None
    cdef NativeSpanBase started
    cdef NativeSpan span
    cdef Ids ids, parent_ids
    cdef ns_trace_id trace_id
    cdef SamplingOutput answer
    cdef NativeSampler kept
    cdef PyObject *route = route_of_tracer(self)
    cdef PyObject *generator
    cdef nspy_section held
    cdef int decision, parent_bits = 0
    cdef bint metered, as_numbers = False
    if not FREE:
        kept = <NativeSampler> route  # as Python code may assign another sampler; see `keep_alive_in`

    current = span_in(context)
    if current is not invalid_span:
        if type(current) is span_class or type(current) is non_recording_class:
            parent = <NativeSpanBase> current
        else:
            parent = identified(current.get_span_context())
        if parent is not None:
            enter(&held, parent)
            as_numbers = parent.as_numbers
            parent_ids = parent.ids
            parent_state = parent.trace_state
            leave(&held)
        else:
            parent_state = None
        if not as_numbers:
            return start_generally(self, name, context, kind, attributes, links, start_time, record_exception,
                                   set_status_on_exception)
    else:
        parent_state = None
    if not load_flag(&self.enabled):
        return NonRecordingSpan(current.get_span_context())
    if parent is not None and not ids_are_valid(&parent_ids):
        parent = None
    generator = ids_of(self)  # once: another thread may assign it
    if generator is <PyObject *> None or load_flag(&(<NativeIdGenerator> generator).patched):
        # Ids of somebody else's making may be anything.
        return start_generally(self, name, context, kind, attributes, links, start_time, record_exception,
                               set_status_on_exception)

    ids.is_remote = False
    if parent is not None:
        ids.span = new_span_id()
        ids.trace_high = parent_ids.trace_high
        ids.trace_low = parent_ids.trace_low
        ids.flags = parent_ids.flags & RANDOM
        trace_state = parent_state
        parent_bits = PARENT_VALID
        if parent_ids.is_remote:
            parent_bits |= PARENT_REMOTE
            if (<NativeSampler> route).root_only:
                warn_of_torn_traces(<NativeSampler> route)
        if parent_ids.flags & SAMPLED:
            parent_bits |= PARENT_SAMPLED
    else:
        new_root_ids(&trace_id, &ids.span)
        ids.trace_high = trace_id.high
        ids.trace_low = trace_id.low
        ids.flags = RANDOM
        trace_state = None

    if load_flag(&(<NativeSampler> route).decides_by_id):
        decision = (<NativeSampler> route).decide(ids.trace_low, parent_bits)
    else:
        answer.state = answer.attributes = NULL
        answer.state_changed = False
        try:
            decision = ask(self, <NativeSampler> route, &ids, parent_bits, trace_state, context, name, kind, attributes,
                           links or (), &answer)
        except Exception:
            log_callback_error(shared.sampler, "should_sample")
            decision = DROP
            answer.state_changed = True
        if answer.state_changed:
            trace_state = None if answer.state is NULL else steal_reference(answer.state)
        if answer.attributes is not NULL:
            attributes = steal_reference(answer.attributes)
    if decision == ASK:
        try:
            result = shared.sampler.should_sample(
                context, nspy_trace_id(ids.trace_high, ids.trace_low), name, kind, attributes, links or ()
            )
            verdict = result.decision
            decision = decision_of(verdict)
            attributes = result.attributes
            trace_state = result.trace_state
        except Exception:
            log_callback_error(shared.sampler, "should_sample")
            decision = DROP
            trace_state = None
    if decision == RECORD_AND_SAMPLE:
        ids.flags |= SAMPLED

    if decision == DROP:
        started = new_non_recording_span()
    else:
        started = new_span()
    started.ids = ids
    started.as_numbers = True
    if trace_state is not None and trace_state is not default_trace_state:
        started.trace_state = trace_state
    metered = load_flag(&self.metered)
    if metered:
        end_metrics = (<object> metrics_of(self)).start_span(
            None if parent is None else parent.span_context(), sdk_decision(decision)
        )
    if decision == DROP:
        return started

    span = <NativeSpan> started
    span.shared = shared
    span.name = name
    if span.kind is not kind:  # a spare span still has its last one
        span.kind = kind
    if metered:
        span.cold().end_metrics = end_metrics
    span.records_exception = record_exception
    span.sets_status = set_status_on_exception
    if parent is not None:
        span.has_parent = True
        span.parent_as_numbers = True
        span.parent_ids = parent_ids
        span.parent_cell = parent.shared_cell()
        if parent_state is not None:
            span.cold().parent_state = parent_state
    if attributes:
        # As the SDK, which shows the sampler's result such a view: what is no mapping raises TypeError.
        span.put_all(attributes if type(attributes) is dict else MappingProxyType(attributes))
    if links:
        span._links = span._new_links(links)
    span.begin(start_time, context)
    return span


# --- what it costs, while a sampler wants to know -----------------------------------------------------------------------

cdef ns_cost_meter *meter = process_meter()
cdef const uint32_t *readers_of_meter = meter_readers()


cdef inline uint64_t begin_metering() noexcept:
    """Counts a span that is about to be started. The time, if it is one of those that are timed, or 0."""
    return ns_clock_monotonic() if ns_cost_meter_start(meter) else 0


cdef inline uint32_t elapsed_ns(uint64_t began) noexcept:
    """The nanoseconds that have passed; never 0, which would say that nobody measures."""
    return <uint32_t> min(max(ns_clock_monotonic() - began, <uint64_t> 1), <uint64_t> 0x7FFFFFFF)


cdef inline int count_sampled(object started) except -1:
    if type(started) is span_class and (<NativeSpan> started).is_sampled():
        ns_cost_meter_sampled(meter)
    return 0


cdef inline bint record_start_cost(object started, uint64_t began) except -1:
    """Notes on a timed span what starting it took; False if the span keeps no account."""
    if type(started) is not span_class:
        return False
    store_u32(&(<NativeSpan> started).cost, elapsed_ns(began))
    return True


cdef object start_metered(NativeTracer self, object name, object context, object kind, object attributes, object links,
                          object start_time, bint record_exception, bint set_status_on_exception):
    cdef uint64_t began = begin_metering()
    started = start_unmetered(self, name, context, kind, attributes, links, start_time, record_exception,
                              set_status_on_exception)
    count_sampled(started)
    if began and not record_start_cost(started, began):
        ns_cost_meter_timed(meter, False, ns_clock_monotonic() - began)
    return started
