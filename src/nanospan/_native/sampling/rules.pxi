"""Rules that select the sampler of a span. nanospan.sampling.RuleBased is the public class.

Matching creates no Python object. It runs Python code only for attributes that are not a dict and for values of unusual
types. A value that cannot be compared does not match.
"""

from cpython.object cimport Py_EQ, PyObject, PyObject_RichCompareBool
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint64_t

from opentelemetry.trace import SpanKind

from nanospan._native.base.threads cimport load_flag, store_u64
from nanospan._native.sampling.csrc cimport NS_OT_NONE, ns_ot
from nanospan._native.sampling.sample_counts cimport nspy_count_sample, nspy_sample_count
from nanospan._native.sampling.text_match cimport nspy_dict_value, nspy_like, nspy_same_text

cdef object keep_all_state = state_of_threshold(0)

# Bit numbers in NativeRule.parents.
cdef enum:
    NO_PARENT = 0
    LOCAL_PARENT = 1
    REMOTE_PARENT = 2

PARENT_PLACES = {"none": NO_PARENT, "local": LOCAL_PARENT, "remote": REMOTE_PARENT}


cdef inline int parent_place(int parent) noexcept nogil:
    if not parent & PARENT_VALID:
        return NO_PARENT
    return REMOTE_PARENT if parent & PARENT_REMOTE else LOCAL_PARENT


# ---- conditions ----

cdef class TextMatch:
    def __init__(self, str text not None, bint is_pattern):
        self.text = text
        self.is_pattern = is_pattern

    cdef bint holds(self, object text) noexcept:
        if not isinstance(text, str):
            return False
        if self.is_pattern:
            return nspy_like(<PyObject *> self.text, <PyObject *> text)
        return nspy_same_text(<PyObject *> self.text, <PyObject *> text)


cdef inline bint is_number(object value) noexcept:
    return type(value) is int or type(value) is float


cdef bint same_value(object wanted, object value) except -1:
    """Equality of attribute values: True differs from 1, 1 equals 1.0, text never equals a number."""
    if type(wanted) is str:
        return isinstance(value, str) and nspy_same_text(<PyObject *> wanted, <PyObject *> value)
    if type(wanted) is type(value) or (is_number(wanted) and is_number(value)):
        return PyObject_RichCompareBool(wanted, value, Py_EQ)
    return False


cdef class AttributeMatch:
    def __init__(self, str key not None, *, bint any_value=False, TextMatch like=None, tuple values=()):
        self.key, self.any_value, self.like, self.values = key, any_value, like, values

    cdef bint holds(self, object attributes) except -1:
        cdef PyObject *found
        if type(attributes) is dict:
            found = nspy_dict_value(<PyObject *> attributes, <PyObject *> self.key)
            if found is NULL:
                return False
            value = <object> found
            Py_DECREF(value)
            return self.holds_for(value)
        return self.holds_in_mapping(attributes)

    cdef bint holds_in_mapping(self, object attributes) except -1:
        if attributes is None:
            return False
        try:
            return self.key in attributes and self.holds_for(attributes[self.key])
        except Exception:
            return False

    cdef bint holds_for(self, object value) except -1:
        if self.any_value:
            return True
        if isinstance(value, (list, tuple)):
            for item in value:
                if self.holds_for_one(item):
                    return True
            return False
        return self.holds_for_one(value)

    cdef bint holds_for_one(self, object value) except -1:
        if self.like is not None:
            return self.like.holds(str(value) if is_number(value) else value)
        for wanted in self.values:
            if same_value(wanted, value):
                return True
        return False


# ---- rules ----

cdef bint is_always_on(NativeSampler native):
    """Whether the sampler keeps every trace, so that the adjusted count of a kept trace is 1."""
    while isinstance(native, NativeAlwaysRecord):
        native = (<NativeAlwaysRecord> native).native
    if not isinstance(native, NativeStaticSampler):
        return False
    return not load_flag(&native.patched) and (<NativeStaticSampler> native).verdict == RECORD_AND_SAMPLE


cdef class NativeOutcome:
    """A sampler with the counts of its decisions."""

    def __init__(self, sampler):
        self.sampler = sampler
        self.native = native_of(sampler)
        self.keeps_all = is_always_on(self.native)

    cdef int decide_on(self, SamplingInput *given, SamplingOutput *output) except -2:
        cdef int decision
        nspy_count_sample(&self.matched)
        decision = answer_of(self.native, self.sampler, given, output)
        if decision == RECORD_AND_SAMPLE:
            nspy_count_sample(&self.sampled)
            if self.keeps_all and not load_flag(&self.native.patched):
                self.report_all_kept(given, output)
                return decision
        # A sampler without thresholds leaves the adjusted count unknown: erase the parent's threshold.
        if given.parent_state is not NULL and not self.native.consistent and not output.state_changed:
            write_ot(given, output, NS_OT_NONE, NS_OT_NONE)
        return decision

    cdef int report_all_kept(self, SamplingInput *given, SamplingOutput *output) except -1:
        if given.parent_state is NULL:
            Py_INCREF(keep_all_state)
            output.state = <PyObject *> keep_all_state
            output.state_changed = True
        elif given.parent_state is not <PyObject *> keep_all_state:
            write_ot(given, output, 0, NS_OT_NONE)
        return 0

    def counts(self):
        """The number of spans that matched, and of those that were sampled."""
        return {"matched": nspy_sample_count(&self.matched), "sampled": nspy_sample_count(&self.sampled)}


cdef class NativeRule(NativeOutcome):
    """Conditions on a span, and the sampler of the spans that meet all of them. None or empty: no condition."""

    def __init__(self, sampler, *, TextMatch name=None, TextMatch scope=None, tuple attributes=(), kinds=(), parents=()):
        NativeOutcome.__init__(self, sampler)
        self.name, self.scope, self.attributes = name, scope, attributes
        self.kinds = tuple(set(kinds))
        for kind in self.kinds:
            if not isinstance(kind, SpanKind) or self.kind_count == MAX_KINDS:
                raise TypeError(f"kinds must be SpanKind members, not {kinds!r}")
            self.kind[self.kind_count] = <PyObject *> kind
            self.kind_count += 1
        for parent in parents:
            self.parents |= 1 << <int> PARENT_PLACES[parent]

    cdef bint matches(self, const SamplingInput *given) except -1:
        cdef int i
        if self.name is not None and not self.name.holds(<object> given.name):
            return False
        if self.parents and not self.parents & 1 << parent_place(given.parent):
            return False
        if self.kind_count:
            for i in range(self.kind_count):
                if self.kind[i] is given.kind:
                    break
            else:
                return False
        if self.scope is not None:
            if given.scope_name is NULL or not self.scope.holds(<object> given.scope_name):
                return False
        for i in range(len(self.attributes)):
            if not (<AttributeMatch> self.attributes[i]).holds(<object> given.attributes):
                return False
        return True


cdef class NativeRuleBased(NativeOwnSampler):
    """Delegates to the sampler of the first rule that matches."""

    def _bind(self, tuple rules not None, default):
        cdef NativeRule rule
        cdef NativeOutcome outcome
        cdef int depth = 0
        self.root_only = True
        for rule in rules:
            if rule.parents:
                self.root_only = False
        self.rules = rules
        self.default = NativeOutcome(default)
        counting = {}
        for outcome in self.outcomes():
            depth = max(depth, outcome.native.depth)
            if outcome.native.counts_spans:
                counting[id(outcome.native)] = outcome.native
        self.counting = tuple(counting.values())
        self.counts_spans = bool(self.counting)
        self.consistent = True
        self.set_depth(1 + depth)

    cdef tuple outcomes(self):
        """The rules in their order, then the default."""
        return self.rules + (self.default,)

    cdef NativeOutcome outcome_for(self, const SamplingInput *given):
        cdef Py_ssize_t i
        for i in range(len(self.rules)):
            if (<NativeRule> self.rules[i]).matches(given):
                return <NativeRule> self.rules[i]
        return self.default

    cdef int decide_full(self, SamplingInput *given, SamplingOutput *output) except -2:
        cdef NativeOutcome outcome = self.outcome_for(given)
        cdef int decision = outcome.decide_on(given, output)
        if self.counts_spans and decision == RECORD_AND_SAMPLE:
            for native in self.counting:
                if native is not outcome.native:
                    (<NativeSampler> native).count_span(given)
        return decision

    cdef uint64_t randomness_of(self, const SamplingInput *given, const ns_ot *ot) noexcept:
        return self.default.native.randomness_of(given, ot)

    cdef void count_span(self, const SamplingInput *given) noexcept:
        for native in self.counting:
            (<NativeSampler> native).count_span(given)

    cdef int reset_after_fork(self) except -1:
        cdef NativeOutcome outcome
        for outcome in self.outcomes():
            store_u64(&outcome.matched, 0)
            store_u64(&outcome.sampled, 0)
        return 0

    def outcome_counts(self):
        """The counts of each rule, then those of the default."""
        cdef NativeOutcome outcome
        self.check_fork()
        counts = []
        for outcome in self.outcomes():
            counts.append(outcome.counts())
        return counts
