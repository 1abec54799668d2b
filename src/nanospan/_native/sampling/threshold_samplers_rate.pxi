# Samplers with a moving threshold; included by threshold_samplers.pxi.

cdef class NativeRateControlled(NativeThresholdSampler):
    """Keeps a trace if its randomness reaches the threshold of a controller (csrc/sampling/ns_rate_controller.h)."""

    def __dealloc__(self):
        free(self.controller)

    def _bind(self, double target, bint counts_traces, double tau, double min_probability):
        self.new_controller(
            target, NS_RATE_CONTROLLER_TRACES if counts_traces else NS_RATE_CONTROLLER_SPANS, tau, min_probability)
        self.set_depth(0)

    cdef int new_controller(self, double target, ns_rate_controller_mode mode, double tau, double min_probability) except -1:
        cdef void *memory = NULL
        self.target, self.mode, self.tau, self.min_probability = target, mode, tau, min_probability
        if self.controller is NULL:
            if posix_memalign(&memory, CACHE_LINE, sizeof(ns_rate_controller)) != 0:
                raise MemoryError
            self.controller = <ns_rate_controller *> memory
        ns_rate_controller_init(self.controller, target, mode, tau, min_probability)
        self.counts_spans = mode == NS_RATE_CONTROLLER_SPANS
        return 0

    cdef int reset_after_fork(self) except -1:
        if self.controller is not NULL:
            ns_rate_controller_init(self.controller, self.target, self.mode, self.tau, self.min_probability)
        return 0

    cdef void update_budget(self, uint64_t now) noexcept:
        pass

    cdef int decide_full(self, SamplingInput *given, SamplingOutput *output) except -2:
        cdef Reading reading
        cdef uint64_t threshold, now = clock.coarse()
        self.update_budget(now)
        self.read(given, &reading)
        threshold = ns_rate_controller_ask(self.controller, reading.randomness, now)
        return self.apply_threshold(given, output, &reading, threshold)

    cdef void count_span(self, const SamplingInput *given) noexcept:
        if self.controller is NULL or not self.counts_spans:
            return
        if given.parent & PARENT_VALID and given.parent & PARENT_REMOTE:
            ns_rate_controller_note_entry(self.controller)
        else:
            ns_rate_controller_note_span_of(self.controller, ns_randomness_of_trace(given.trace_low))

    @property
    def threshold(self):
        """The current rejection threshold T, 0 to 2**56 - 1; None if traces are not kept by threshold."""
        if self.controller is NULL:
            return None
        self.check_fork()
        return ns_rate_controller_threshold(self.controller)

    @property
    def probability(self):
        """The current share of new traces that is kept; None if traces are not kept by threshold."""
        if self.controller is NULL:
            return None
        self.check_fork()
        return (PROBABILITY_SCALE - <double> ns_rate_controller_threshold(self.controller)) / PROBABILITY_SCALE

    def stats(self):
        """The decisions of this process, and the inputs of the threshold.

        ``asked`` and ``sampled`` spans, ``probability``, ``target_per_second``, ``offered_per_second`` (new traces),
        ``spans_per_trace``, ``span_lag_seconds`` (from the start of a root to the starts of its spans),
        ``entries_per_second`` (spans whose remote parent is sampled), and ``entries`` and ``spans``: the sampled spans that
        count against the target although another sampler decided on them.
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
    """Keeps a fixed number of traces per second: by a token bucket, or by a controller if `_bind` created one."""

    def _bind_bucket(self, double rate, double burst):
        self.rate, self.burst = rate, burst
        ns_token_bucket_init(&self.bucket, rate, burst)
        self.set_depth(0)

    cdef int reset_after_fork(self) except -1:
        if self.controller is NULL:
            ns_token_bucket_init(&self.bucket, self.rate, self.burst)
        return NativeRateControlled.reset_after_fork(self)

    cdef int decide_full(self, SamplingInput *given, SamplingOutput *output) except -2:
        if self.controller is not NULL:
            return NativeRateControlled.decide_full(self, given, output)
        cdef bint keeps = ns_token_bucket_take(&self.bucket, clock.precise(), 1)
        if given.parent_state is not NULL:
            write_ot(given, output, NS_OT_NONE, NS_OT_NONE)
        return RECORD_AND_SAMPLE if keeps else DROP


cdef class NativeOverheadBudget(NativeRateControlled):
    """Keeps as many traces as fit into a share of the process's CPU time (csrc/sampling/ns_cpu_budget.h)."""

    def __dealloc__(self):
        if self.reads_meter:
            remove_reader()

    def _bind_budget(self, double fraction, double tau, double min_probability):
        self.fraction = fraction
        if not self.reads_meter:
            add_reader()
            self.reads_meter = True
        self.new_controller(self.new_budget(tau), NS_RATE_CONTROLLER_SPANS, tau, min_probability)
        self.set_depth(0)

    cdef double new_budget(self, double tau) except -1:
        """Resets the budget; returns the spans per second that it allows before the first measurement."""
        cdef ns_cpu_budget_state state
        ns_cpu_budget_init(&self.budget, self.fraction, tau)
        ns_cpu_budget_read(&self.budget, &state)
        return state.allowed

    cdef int reset_after_fork(self) except -1:
        meter_after_fork()
        self.target = self.new_budget(self.tau)
        return NativeRateControlled.reset_after_fork(self)

    cdef void update_budget(self, uint64_t now) noexcept:
        cdef double allowed
        if ns_cpu_budget_due(&self.budget, now):
            allowed = ns_cpu_budget_step(&self.budget, process_meter(), ns_clock_read(CLOCK_PROCESS_CPUTIME_ID), now)
            ns_rate_controller_retarget(self.controller, allowed)

    def stats(self):
        """Those of `Adaptive`, and, as measured in this process: ``allowed_spans_per_second``, ``process_cores``,
        ``unsampled_cores`` (the cost of unsampled spans) and ``seconds_per_span`` (the cost of one sampled span)."""
        cdef ns_cpu_budget_state state
        counts = NativeRateControlled.stats(self)
        ns_cpu_budget_read(&self.budget, &state)
        return counts | {
            "allowed_spans_per_second": state.allowed,
            "process_cores": state.process_cores,
            "unsampled_cores": state.unsampled_cores,
            "seconds_per_span": state.span_seconds,
        }
