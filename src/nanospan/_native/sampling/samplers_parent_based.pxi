# ParentBased; included by samplers.pxi.

cdef inline int delegate_index(int parent) noexcept nogil:
    if not parent & PARENT_VALID:
        return 0
    if parent & PARENT_REMOTE:
        return 1 if parent & PARENT_SAMPLED else 2
    return 3 if parent & PARENT_SAMPLED else 4


cdef class NativeParentBased(NativeSampler):
    """Delegates to one of five samplers, selected by the parent."""

    def _bind(self, root, remote_sampled, remote_not_sampled, local_sampled, local_not_sampled):
        # A second call may have made it a delegate of itself: then only Python's recursion limit ends the recursion.
        cdef bint first = self.delegates is None
        cdef bint needs_full_decision = False
        cdef int depth = 0
        self.delegates = (root, remote_sampled, remote_not_sampled, local_sampled, local_not_sampled)
        self.native_root = native_of(root)
        self.native_remote_sampled = native_of(remote_sampled)
        self.native_remote_not_sampled = native_of(remote_not_sampled)
        self.native_local_sampled = native_of(local_sampled)
        self.native_local_not_sampled = native_of(local_not_sampled)
        for delegate in self.delegates:
            depth = max(depth, native_of(delegate).depth)
            needs_full_decision = needs_full_decision or not native_of(delegate).decides_by_id
        self.depth = 1 + depth
        self.patched = not (first and type(self) in native_classes and self.depth <= NATIVE_DEPTH_LIMIT)
        self.consistent = self.native_root.consistent
        self.counts_spans = self.native_root.counts_spans
        self.needs_full_decision = needs_full_decision
        self.decides_by_id = self.patched or not self.needs_full_decision

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
            return UNDECIDED
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

    cdef int answer(self, SamplingInput *given, SamplingOutput *output) except -2:
        cdef int decision, index = delegate_index(given.parent)
        cdef NativeSampler native = self.native_at(index)
        decision = answer_of(native, self.delegates[index], given, output)
        if index == 0:
            return decision
        if decision == RECORD_AND_SAMPLE and self.counts_spans:
            self.native_root.count_span(given)
        if output.state_changed:
            if decision == RECORD_AND_SAMPLE and native.consistent:
                self.raise_threshold(given, output, native)
        elif self.consistent and given.parent_state is not NULL:
            self.check_threshold(given, output, native, decision)
        return decision

    cdef int raise_threshold(self, SamplingInput *given, SamplingOutput *output, NativeSampler native) except -1:
        """Sets `th` of a child that its delegate kept by a threshold of its own. The parent kept the trace before, so the
        larger of the two thresholds gives the probability of both. If the parent was not kept, or its threshold is unknown,
        so is that probability: erase `th`."""
        cdef SamplingInput child = given[0]
        cdef ns_ot own, inherited
        cdef uint64_t threshold = NS_OT_NONE
        child.parent_state = output.state
        if not read_ot(&child, &own) or not own.has_threshold:
            return 0
        if given.parent & PARENT_SAMPLED and read_ot(given, &inherited) and inherited.has_threshold:
            if ns_threshold_keeps(native.randomness_of(given, &inherited), inherited.threshold):
                threshold = max(own.threshold, inherited.threshold)
        Py_CLEAR(output.state)
        output.state_changed = False
        return write_ot(given, output, threshold, NS_OT_NONE)

    cdef int check_threshold(self, SamplingInput *given, SamplingOutput *output, NativeSampler native,
                             int decision) except -1:
        """Erases a threshold of the parent that is not valid for this span."""
        cdef ns_ot ot
        cdef bint sampled = decision == RECORD_AND_SAMPLE
        cdef bint was_sampled = given.parent & PARENT_SAMPLED != 0
        if not given.parent & PARENT_REMOTE and sampled == was_sampled:
            return 0  # checked when the trace entered the process, or written by it
        if not read_ot(given, &ot) or not ot.has_threshold:
            return 0
        # A static delegate keeps every child of a kept parent: the parent's threshold still gives the probability.
        if sampled and was_sampled and isinstance(native, NativeStaticSampler):
            if ns_threshold_keeps(self.native_root.randomness_of(given, &ot), ot.threshold):
                return 0
        return write_ot(given, output, NS_OT_NONE, NS_OT_NONE)

    cdef uint64_t randomness_of(self, const SamplingInput *given, const ns_ot *ot) noexcept:
        return self.native_root.randomness_of(given, ot)

    cdef void count_span(self, const SamplingInput *given) noexcept:
        if self.counts_spans:
            self.native_root.count_span(given)

    cdef object sample(self, object parent_context, object parent, object trace_id, object name, object kind,
                       object attributes, object links, object trace_state):
        if self.delegates is None:
            raise AttributeError("ParentBased.__init__ was not called")
        if self.needs_full_decision:
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
