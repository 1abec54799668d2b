# ParentBased; included by samplers.pyx.

cdef inline int delegate_index(int parent) noexcept nogil:
    if not parent & PARENT_VALID:
        return 0
    if parent & PARENT_REMOTE:
        return 1 if parent & PARENT_SAMPLED else 2
    return 3 if parent & PARENT_SAMPLED else 4


cdef class NativeParentBased(NativeSampler):
    """Hands the decision to one of five samplers, chosen by the parent."""

    def _bind(self, root, remote_sampled, remote_not_sampled, local_sampled, local_not_sampled):
        # Bound again, it may have been made a delegate of itself: then only Python's recursion limit ends it.
        cdef bint first = self.delegates is None
        self.delegates = (root, remote_sampled, remote_not_sampled, local_sampled, local_not_sampled)
        self.native_root = native_of(root)
        self.native_remote_sampled = native_of(remote_sampled)
        self.native_remote_not_sampled = native_of(remote_not_sampled)
        self.native_local_sampled = native_of(local_sampled)
        self.native_local_not_sampled = native_of(local_not_sampled)
        self.depth = 1 + max([native_of(delegate).depth for delegate in self.delegates])
        self.patched = not (first and type(self) in native_classes and self.depth <= NATIVE_DEPTH_LIMIT)
        self.consistent = self.native_root.consistent
        self.counts_spans = self.native_root.counts_spans
        self.asks_more = not all([native_of(delegate).decides_by_id for delegate in self.delegates])
        self.decides_by_id = self.patched or not self.asks_more

    cdef inline NativeSampler native_at(self, int index):
        if index == 0:
            return self.native_root
        if index == 1:
            return self.native_remote_sampled
        if index == 2:
            return self.native_remote_not_sampled
        return self.native_local_sampled if index == 3 else self.native_local_not_sampled

    cdef int decide(self, uint64_t trace_id_low, int parent) noexcept nogil:
        if load_flag(&self.patched):
            return ASK
        cdef int index = delegate_index(parent)
        if index == 0:
            return self.native_root.decide(trace_id_low, parent)
        if index == 1:
            return self.native_remote_sampled.decide(trace_id_low, parent)
        if index == 2:
            return self.native_remote_not_sampled.decide(trace_id_low, parent)
        if index == 3:
            return self.native_local_sampled.decide(trace_id_low, parent)
        return self.native_local_not_sampled.decide(trace_id_low, parent)

    cdef int answer(self, SamplingInput *question, SamplingOutput *answer) except -2:
        cdef int decision, index = delegate_index(question.parent)
        cdef NativeSampler native = self.native_at(index)
        decision = answer_of(native, self.delegates[index], question, answer)
        if index == 0:
            return decision
        if decision == RECORD_AND_SAMPLE and self.counts_spans:
            self.native_root.note(question)
        if answer.state_changed:
            if decision == RECORD_AND_SAMPLE and native.consistent:
                self.raise_threshold(question, answer, native)
        elif self.consistent and question.parent_state is not NULL:
            self.check_threshold(question, answer, native, decision)
        return decision

    cdef int raise_threshold(self, SamplingInput *question, SamplingOutput *answer, NativeSampler native) except -1:
        """A child kept by a threshold of its own was kept by its parent before: the larger of the two thresholds says how
        likely both were. Where the parent's is not known, or the parent was not kept, neither says it."""
        cdef SamplingInput answered = question[0]
        cdef ns_ot own, came
        cdef uint64_t threshold = NS_OT_NONE
        answered.parent_state = answer.state
        if not read_ot(&answered, &own) or not own.has_threshold:
            return 0
        if question.parent & PARENT_SAMPLED and read_ot(question, &came) and came.has_threshold:
            if ns_threshold_keeps(native.randomness_of(question, &came), came.threshold):
                threshold = max(own.threshold, came.threshold)
        Py_CLEAR(answer.state)
        answer.state_changed = False
        return write_ot(question, answer, threshold, NS_OT_NONE)

    cdef int check_threshold(self, SamplingInput *question, SamplingOutput *answer, NativeSampler native, int decision) except -1:
        """Erases a threshold that does not hold, or does not hold any more."""
        cdef ns_ot ot
        cdef bint sampled = decision == RECORD_AND_SAMPLE
        cdef bint was_sampled = question.parent & PARENT_SAMPLED != 0
        if not question.parent & PARENT_REMOTE and sampled == was_sampled:
            return 0  # looked at when the trace came in, or written here
        if not read_ot(question, &ot) or not ot.has_threshold:
            return 0
        # One that follows its parent keeps what the parent kept: its threshold still says how likely that was.
        if sampled and was_sampled and isinstance(native, NativeStaticSampler):
            if ns_threshold_keeps(self.native_root.randomness_of(question, &ot), ot.threshold):
                return 0
        return write_ot(question, answer, NS_OT_NONE, NS_OT_NONE)

    cdef uint64_t randomness_of(self, const SamplingInput *question, const ns_ot *ot) noexcept:
        return self.native_root.randomness_of(question, ot)

    cdef void note(self, const SamplingInput *question) noexcept:
        if self.counts_spans:
            self.native_root.note(question)

    cdef object sample(self, object parent_context, object parent, object trace_id, object name, object kind,
                       object attributes, object links, object trace_state):
        if self.delegates is None:
            raise AttributeError("ParentBased.__init__ was not called")
        if self.asks_more:
            return self.sample_by_answer(parent_context, parent, trace_id, name, kind, attributes, links, trace_state)
        delegate = self.delegates[delegate_index(parent_bits(parent))]
        if isinstance(delegate, NativeSampler) and not load_flag(&(<NativeSampler>delegate).patched):
            return (<NativeSampler>delegate).sample(
                parent_context, parent, trace_id, name, kind, attributes, links, None
            )
        Py_EnterRecursiveCall(" in a ParentBased sampler")
        try:
            return delegate.should_sample(
                parent_context=parent_context, trace_id=trace_id, name=name, kind=kind, attributes=attributes,
                links=links,
            )
        finally:
            Py_LeaveRecursiveCall()
