# The native way of starting a span; included by tracer.pxi.

cdef object sdk_decision(int decision):
    if decision == RECORD_AND_SAMPLE:
        return sdk_record_and_sample
    return sdk_record_only if decision == RECORD_ONLY else sdk_drop


cdef NativeSpanBase parent_from_context(object context):
    """A stand-in for a foreign parent span, with its ids; None if its context is not a plain SpanContext."""
    cdef NativeSpanBase made = NativeSpanBase.__new__(NativeSpanBase)
    made.adopt(context)
    return made if made.as_numbers else None


cdef inline object steal_reference(PyObject *owned):
    """Converts an owned reference to an object that Cython manages."""
    value = <object> owned
    Py_DECREF(value)
    return value


cdef inline PyObject *new_reference(object value) noexcept:
    Py_INCREF(value)
    return <PyObject *> value


# --- the four steps: parent, ids, decision, fields ----------------------------------------------------------------------

cdef inline NativeSpanBase native_parent(object current):
    """The current span if native, else a stand-in with its ids; None if its context is not a plain SpanContext."""
    if type(current) is span_class or type(current) is non_recording_class:
        return <NativeSpanBase> current
    return parent_from_context(current.get_span_context())


cdef inline object read_parent(NativeSpanBase parent, Ids *ids, bint *as_numbers):
    """Returns the parent's trace state; sets `ids` to its ids, and `as_numbers`."""
    cdef nspy_section section
    enter(&section, parent)
    as_numbers[0] = parent.as_numbers
    ids[0] = parent.ids
    trace_state = parent.trace_state
    leave(&section)
    return trace_state


cdef inline void new_ids(Ids *ids, const Ids *parent) noexcept:
    """Sets new ids: of a child of `parent`, or of a root if it is NULL."""
    cdef ns_trace_id trace_id
    ids.is_remote = False
    if parent is not NULL:
        ids.span = new_span_id()
        ids.trace_high = parent.trace_high
        ids.trace_low = parent.trace_low
        ids.flags = parent.flags & RANDOM
    else:
        new_root_ids(&trace_id, &ids.span)
        ids.trace_high = trace_id.high
        ids.trace_low = trace_id.low
        ids.flags = RANDOM


cdef inline int parent_bits_of(const Ids *parent) noexcept:
    cdef int bits = PARENT_VALID
    if parent.is_remote:
        bits |= PARENT_REMOTE
    if parent.flags & SAMPLED:
        bits |= PARENT_SAMPLED
    return bits


cdef int decide_full(NativeTracer self, NativeSampler sampler, const Ids *ids, int parent, object trace_state,
                     object context, object name, object kind, object attributes, object links,
                     SamplingOutput *output) except -2:
    """The decision of a native sampler that needs more than trace id and flags."""
    cdef SamplingInput given
    given.trace_high, given.trace_low = ids.trace_high, ids.trace_low
    given.parent = parent | PARENT_RANDOM if ids.flags & RANDOM else parent
    given.state_given = False
    given.trace_id = NULL
    given.parent_state = NULL if trace_state is None else <PyObject *> trace_state
    given.context = <PyObject *> context
    given.name = <PyObject *> name
    given.kind = <PyObject *> kind
    given.attributes = <PyObject *> attributes
    given.links = <PyObject *> links
    given.scope_name = scope_name_of(self)
    if given.scope_name is <PyObject *> None:
        given.scope_name = NULL
    return sampler.answer(&given, output)


cdef int decide_in_python(object sampler, const Ids *ids, object context, object name, object kind, object attributes,
                          object links, SamplingOutput *output) except -2:
    result = sampler.should_sample(
        context, nspy_trace_id(ids.trace_high, ids.trace_low), name, kind, attributes, links or ()
    )
    decision = decision_of(result.decision)
    attributes, trace_state = result.attributes, result.trace_state
    output.attributes = new_reference(attributes)
    output.state = NULL if trace_state is None else new_reference(trace_state)
    output.state_changed = True
    return decision


cdef int decide(NativeTracer self, NativeSampler sampler, SpanShared shared, const Ids *ids, int parent, object trace_state,
                object context, object name, object kind, object attributes, object links, SamplingOutput *output) except -2:
    """The decision of a sampler that trace id and flags are not enough for. If the sampler raises an Exception, it is logged
    and the span dropped."""
    cdef int decision = UNDECIDED
    output.state = output.attributes = NULL
    output.state_changed = False
    try:
        if not load_flag(&sampler.decides_by_id):
            decision = decide_full(self, sampler, ids, parent, trace_state, context, name, kind, attributes, links or (),
                                   output)
        if decision == UNDECIDED:
            decision = decide_in_python(shared.sampler, ids, context, name, kind, attributes, links, output)
    except Exception:
        log_callback_error(shared.sampler, "should_sample")
        decision = DROP
        output.state_changed = True
    return decision


cdef inline int fill_span(NativeSpan span, SpanShared shared, object name, object kind, object attributes, object links,
                          NativeSpanBase parent, const Ids *parent_ids, object parent_state) except -1:
    span.shared = shared
    span.name = name
    if span.kind is not kind:  # usually INTERNAL already: skip the reference counts
        span.kind = kind
    if parent is not None:
        span.has_parent = True
        span.parent_as_numbers = True
        span.parent_ids = parent_ids[0]
        span.parent_cell = parent.shared_cell()
        if parent_state is not None:
            span.cold().parent_state = parent_state
    if attributes is not None and not is_empty(attributes):
        span.put_all(attributes)
    if links:
        span.set_links(links)
    return 0


cdef int notice_start(NativeSpan span, object current) except -1:
    """Shows a started span to the detector; ``current`` is its parent, or INVALID_SPAN."""
    cdef bint late = False
    cdef Detector detector = detector_slot.taken()
    if detector is None:
        return 0
    if type(current) is span_class and not span.parent_ids.is_remote:
        late = (<NativeSpan> current).is_ended()
    try:
        detector.started(&span.ids, &span.parent_ids if span.has_parent else NULL, late, span.name, span.kind,
                         scope_of(span), span.has_links())
    except BaseException:
        span.end()  # nobody else will
        raise
    return 0


cdef object usable_links(object links):
    """The links, or None if there are none or reading them raises an Exception."""
    try:
        return links if links else None
    except Exception as error:
        report_left_out(PARTS[LINK], error)
        return None


cdef object start_unmetered(NativeTracer self, object name, object context, object kind, object attributes, object links,
                            object start_time, bint record_exception, bint set_status_on_exception):
    cdef SpanShared shared = <SpanShared> shared_of_tracer(self)
    cdef NativeSpanBase parent = None
    cdef NativeSpanBase started
    cdef NativeSpan span
    cdef Ids ids, parent_ids
    cdef SamplingOutput output
    cdef NativeSampler kept
    cdef PyObject *sampler = sampler_of_tracer(self)
    cdef PyObject *generator
    cdef int decision = UNDECIDED, parent_bits = 0
    cdef bint metered, as_numbers = True
    if not FREE:
        kept = <NativeSampler> sampler  # own a reference: Python code may assign another sampler
    if links is not NO_LINKS and links is not None:
        links = usable_links(links)

    current = span_in(context)
    parent_state = None
    if current is not invalid_span:
        parent = native_parent(current)
        if parent is not None:
            parent_state = read_parent(parent, &parent_ids, &as_numbers)
        if parent is None or not as_numbers:
            return start_generally(self, name, context, kind, attributes, links, start_time, record_exception,
                                   set_status_on_exception)
    if not load_flag(&self.enabled):
        return NonRecordingSpan(current.get_span_context())
    generator = ids_of(self)  # read once: another thread may assign it
    if generator is <PyObject *> None or load_flag(&(<NativeIdGenerator> generator).patched):
        # A foreign generator may return any ids.
        return start_generally(self, name, context, kind, attributes, links, start_time, record_exception,
                               set_status_on_exception)
    if parent is not None and not ids_are_valid(&parent_ids):
        parent = None

    if parent is not None:
        new_ids(&ids, &parent_ids)
        parent_bits = parent_bits_of(&parent_ids)
        trace_state = parent_state
        if parent_ids.is_remote and (<NativeSampler> sampler).root_only:
            warn_of_split_traces(<NativeSampler> sampler)
    else:
        new_ids(&ids, NULL)
        trace_state = None

    if load_flag(&(<NativeSampler> sampler).decides_by_id):
        decision = (<NativeSampler> sampler).decide(ids.trace_low, parent_bits)
    if decision == UNDECIDED:
        decision = decide(self, <NativeSampler> sampler, shared, &ids, parent_bits, trace_state, context, name, kind,
                          attributes, links, &output)
        if output.state_changed:
            trace_state = None if output.state is NULL else steal_reference(output.state)
        if output.attributes is not NULL:
            attributes = steal_reference(output.attributes)
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
    if metered:
        span.cold().end_metrics = end_metrics
    span.records_exception = record_exception
    span.sets_status = set_status_on_exception
    fill_span(span, shared, name, kind, attributes, links, parent, &parent_ids, parent_state)
    span.begin(start_time, context)
    if load_flag(&detecting):
        notice_start(span, current)
    return span


# --- cost measurement, while a sampler reads the meter -------------------------------------------------------------------

cdef ns_cost_meter *meter = process_meter()
cdef const uint32_t *readers_of_meter = meter_readers()


cdef inline uint64_t begin_metering() noexcept:
    """Counts the start of a span. Returns the time if this span is timed, else 0."""
    return ns_clock_monotonic() if ns_cost_meter_start(meter) else 0


cdef inline uint32_t elapsed_ns(uint64_t began) noexcept:
    """The nanoseconds since `began`; at least 1, because 0 means not timed."""
    return <uint32_t> min(max(ns_clock_monotonic() - began, <uint64_t> 1), <uint64_t> 0x7FFFFFFF)


cdef inline int count_sampled(object started) except -1:
    if type(started) is span_class and (<NativeSpan> started).is_sampled():
        ns_cost_meter_sampled(meter)
    return 0


cdef inline bint record_start_cost(object started, uint64_t began) except -1:
    """Stores the cost of the start in a timed span; False if the span has no field for it."""
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
