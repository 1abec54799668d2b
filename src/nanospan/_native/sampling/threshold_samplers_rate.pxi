# The samplers whose threshold moves; included by threshold_samplers.pyx.

cdef class NativeRateControlled(NativeThresholdSampler):
    """Keeps a trace if its randomness reaches the threshold that a controller (csrc/sampling/ns_rate_controller.h) has set."""

    def __dealloc__(self):
        free(self.controller)

    def _bind(self, double target, bint counts_traces, double tau, double least):
        self.new_controller(target, NS_RATE_CONTROLLER_TRACES if counts_traces else NS_RATE_CONTROLLER_SPANS, tau, least)
        self.take_shape(0)

    cdef int new_controller(self, double target, ns_rate_controller_mode mode, double tau, double least) except -1:
        cdef void *room = NULL
        self.target, self.mode, self.tau, self.least = target, mode, tau, least
        if self.controller is NULL:
            if posix_memalign(&room, CACHE_LINE, sizeof(ns_rate_controller)) != 0:
                raise MemoryError
            self.controller = <ns_rate_controller *> room
        ns_rate_controller_init(self.controller, target, mode, tau, least)
        self.counts_spans = mode == NS_RATE_CONTROLLER_SPANS
        return 0

    cdef int start_anew(self) except -1:
        if self.controller is not NULL:
            ns_rate_controller_init(self.controller, self.target, self.mode, self.tau, self.least)
        return 0

    cdef void look_at_budget(self, uint64_t now) noexcept:
        pass

    cdef int decide_full(self, SamplingInput *question, SamplingOutput *answer) except -2:
        cdef Reading reading
        cdef uint64_t now = clock.coarse()
        self.look_at_budget(now)
        self.read(question, &reading)
        return self.apply_threshold(question, answer, &reading, ns_rate_controller_ask(self.controller, reading.randomness, now))

    cdef void note(self, const SamplingInput *question) noexcept:
        if self.controller is NULL or not self.counts_spans:
            return
        if question.parent & PARENT_VALID and question.parent & PARENT_REMOTE:
            ns_rate_controller_note_entry(self.controller)
        else:
            ns_rate_controller_note_span_of(self.controller, ns_randomness_of_trace(question.trace_low))

    @property
    def threshold(self):
        """The rejection threshold T in force, 0 to 2**56 - 1; None if traces are not kept by threshold."""
        if self.controller is NULL:
            return None
        self.look_for_fork()
        return ns_rate_controller_threshold(self.controller)

    @property
    def probability(self):
        """The share of new traces that is being kept; None if they are not kept by threshold."""
        if self.controller is NULL:
            return None
        self.look_for_fork()
        return (PROBABILITY_SCALE - <double> ns_rate_controller_threshold(self.controller)) / PROBABILITY_SCALE

    def stats(self):
        """What was decided in this process: ``asked`` spans, how many were ``sampled``, and what the threshold follows.

        ``probability``, ``target_per_second``, ``offered_per_second`` (new traces), ``spans_per_trace``,
        ``span_lag_seconds`` (how late the spans of a trace start after its root), ``entries_per_second`` (spans whose remote
        parent is sampled), and ``entries`` and ``spans``, the sampled spans of others' decision that count against the target.
        """
        cdef ns_rate_controller_state state
        counts = NativeOwnSampler.stats(self)
        if self.controller is NULL:
            return counts
        ns_rate_controller_read(self.controller, &state)
        return counts | {
            "probability": self.probability,
            "target_per_second": state.target,
            "offered_per_second": state.offered_rate,
            "spans_per_trace": state.spans_per_trace,
            "span_lag_seconds": state.span_lag,
            "entries_per_second": state.entry_rate,
            "entries": state.entries,
            "spans": state.spans,
        }


cdef class NativeRateLimited(NativeRateControlled):
    """Keeps so many traces a second: by a token bucket, or by a controller if `_bind` gave it one."""

    def _bind_bucket(self, double rate, double burst):
        self.rate, self.burst = rate, burst
        ns_token_bucket_init(&self.bucket, rate, burst)
        self.take_shape(0)

    cdef int start_anew(self) except -1:
        if self.controller is NULL:
            ns_token_bucket_init(&self.bucket, self.rate, self.burst)
        return NativeRateControlled.start_anew(self)

    cdef int decide_full(self, SamplingInput *question, SamplingOutput *answer) except -2:
        if self.controller is not NULL:
            return NativeRateControlled.decide_full(self, question, answer)
        cdef bint keeps = ns_token_bucket_take(&self.bucket, clock.precise(), 1)
        if question.parent_state is not NULL:
            write_ot(question, answer, NS_OT_NONE, NS_OT_NONE)
        return RECORD_AND_SAMPLE if keeps else DROP


cdef class NativeOverheadBudget(NativeRateControlled):
    """Keeps as many traces as a share of the process's CPU pays for (csrc/sampling/ns_cpu_budget.h)."""

    def __dealloc__(self):
        if self.reads_meter:
            remove_reader()

    def _bind_budget(self, double fraction, double tau, double least):
        self.fraction = fraction
        if not self.reads_meter:
            add_reader()
            self.reads_meter = True
        self.new_controller(self.new_budget(tau), NS_RATE_CONTROLLER_SPANS, tau, least)
        self.take_shape(0)

    cdef double new_budget(self, double tau) except -1:
        """The spans a second that are allowed before anything was measured."""
        cdef ns_cpu_budget_state state
        ns_cpu_budget_init(&self.budget, self.fraction, tau)
        ns_cpu_budget_read(&self.budget, &state)
        return state.allowed

    cdef int start_anew(self) except -1:
        meter_after_fork()
        self.target = self.new_budget(self.tau)
        return NativeRateControlled.start_anew(self)

    cdef void look_at_budget(self, uint64_t now) noexcept:
        cdef double allowed
        if ns_cpu_budget_due(&self.budget, now):
            allowed = ns_cpu_budget_step(&self.budget, process_meter(), ns_clock_read(CLOCK_PROCESS_CPUTIME_ID), now)
            ns_rate_controller_retarget(self.controller, allowed)

    def stats(self):
        """As of `Adaptive`, and ``allowed_spans_per_second``, ``process_cores``, ``unsampled_cores`` (what spans that were
        not sampled cost) and ``seconds_per_span`` (what a sampled one costs), by this process's measurements."""
        cdef ns_cpu_budget_state state
        counts = NativeRateControlled.stats(self)
        ns_cpu_budget_read(&self.budget, &state)
        return counts | {
            "allowed_spans_per_second": state.allowed,
            "process_cores": state.process_cores,
            "unsampled_cores": state.unsampled_cores,
            "seconds_per_span": state.span_seconds,
        }
