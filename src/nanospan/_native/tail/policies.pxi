"""Compiles tail-sampling policies for csrc/tail/ns_facts.c and csrc/tail/ns_policy.c."""

from libc.stdlib cimport calloc, free
from libc.string cimport memset

from cpython.unicode cimport PyUnicode_DecodeUTF8

from nanospan._native.sampling.csrc cimport ns_threshold_of_probability
from nanospan._native.tail.csrc cimport (
    NS_BOOL_IS, NS_NUMBER_IN, NS_POLICIES_MAX, NS_POLICY_ALWAYS, NS_POLICY_AND, NS_POLICY_BYTES_RATE, NS_POLICY_COMPOSITE,
    NS_POLICY_DROP, NS_POLICY_HASH, NS_POLICY_LATENCY, NS_POLICY_MATCH, NS_POLICY_NOT, NS_POLICY_NO_MATCH,
    NS_POLICY_PROBABILITY, NS_POLICY_SPANS_RATE, NS_POLICY_SPANS_TARGET, NS_POLICY_SPAN_COUNT, NS_POLICY_STATUS,
    NS_POLICY_TRACE_FLAGS, NS_STATE_IS, NS_TEXT_IS, NS_TEXT_LIKE, ns_condition, ns_condition_kind, ns_conditions_free,
    ns_conditions_new, ns_fnv1a_start, ns_policies_counts, ns_policies_free, ns_policies_new, ns_policy, ns_policy_kind,
    ns_word
)

cdef extern from "Python.h":
    void PyErr_SetInterrupt()

cdef enum:
    PRECISION = 4  # of thresholds, as in ConsistentProbability

cdef dict condition_kinds = {
    "text_is": <int> NS_TEXT_IS,
    "text_like": <int> NS_TEXT_LIKE,
    "number_in": <int> NS_NUMBER_IN,
    "bool_is": <int> NS_BOOL_IS,
    "state_is": <int> NS_STATE_IS,
}

cdef dict policy_kinds = {
    "always": <int> NS_POLICY_ALWAYS,
    "status": <int> NS_POLICY_STATUS,
    "latency": <int> NS_POLICY_LATENCY,
    "match": <int> NS_POLICY_MATCH,
    "no_match": <int> NS_POLICY_NO_MATCH,
    "probability": <int> NS_POLICY_PROBABILITY,
    "hash": <int> NS_POLICY_HASH,
    "spans_rate": <int> NS_POLICY_SPANS_RATE,
    "bytes_rate": <int> NS_POLICY_BYTES_RATE,
    "spans_target": <int> NS_POLICY_SPANS_TARGET,
    "span_count": <int> NS_POLICY_SPAN_COUNT,
    "trace_flags": <int> NS_POLICY_TRACE_FLAGS,
    "and": <int> NS_POLICY_AND,
    "not": <int> NS_POLICY_NOT,
    "drop": <int> NS_POLICY_DROP,
    "composite": <int> NS_POLICY_COMPOSITE,
}


cdef c_bool is_found(void *context, size_t condition, const char *text, size_t size) noexcept:
    """Calls the matcher of a condition. An exception counts as no match."""
    try:
        matcher = (<CompiledPolicies> context).matchers[condition]
        return matcher(PyUnicode_DecodeUTF8(text, <Py_ssize_t> size, "replace"))
    except KeyboardInterrupt:
        PyErr_SetInterrupt()  # it cannot be raised from here and must not be lost
    except Exception:
        pass
    return False


cdef ns_word word_of(bytes text) noexcept:
    return ns_word(<const char *> text, <size_t> len(text))


cdef class CompiledPolicies:
    """A compiled `nanospan.tail._plan.Plan`, with its own counts.

    Raises ValueError for a plan without a policy, or with more nodes than NS_POLICIES_MAX.
    """

    def __cinit__(self, plan):
        self.names = plan.names
        self.compile_conditions(plan.conditions)
        self.compile_nodes(plan.nodes)

    def __dealloc__(self):
        ns_conditions_free(<ns_conditions *> self.conditions)
        ns_policies_free(self.policies)

    cdef int compile_conditions(self, list conditions) except -1:
        cdef size_t i, next_value = 0, value_count = 0, count = len(conditions)
        cdef ns_condition *made
        cdef ns_condition *compiled
        cdef ns_word *words
        texts = []  # owns the bytes that the words point into
        self.matchers = []
        self.asks_python = False
        for condition in conditions:
            value_count += len(condition.values)
            matcher = None if condition.make_matcher is None else condition.make_matcher(condition)
            self.matchers.append(matcher)
            self.asks_python = self.asks_python or matcher is not None
        compiled = <ns_condition *> calloc(count + 1, sizeof(ns_condition))
        words = <ns_word *> calloc(value_count + 1, sizeof(ns_word))
        try:
            if compiled == NULL or words == NULL:
                raise MemoryError
            for i in range(count):
                condition = conditions[i]
                made = &compiled[i]
                made.kind = <ns_condition_kind> <int> condition_kinds[condition.kind]
                texts.append(condition.key.encode("utf-8"))
                made.key = word_of(texts[len(texts) - 1])
                made.flag = condition.flag
                made.min_value = condition.least
                made.max_value = condition.most
                made.values = words + next_value
                made.value_count = len(condition.values)
                for value in condition.values:
                    texts.append(value.encode("utf-8"))
                    words[next_value] = word_of(texts[len(texts) - 1])
                    next_value += 1
            self.conditions = ns_conditions_new(compiled, count, is_found, <void *> self)
            if self.conditions == NULL:
                raise MemoryError
        finally:
            free(compiled)
            free(words)
        return 0

    cdef int compile_nodes(self, list nodes) except -1:
        cdef ns_policy made[NS_POLICIES_MAX]
        cdef size_t i, count = len(nodes)
        memset(made, 0, sizeof(made))
        if not 0 < count <= NS_POLICIES_MAX:
            raise ValueError(f"policies must be 1 to {NS_POLICIES_MAX} in all")
        for i in range(count):
            node = nodes[i]
            made[i].kind = <ns_policy_kind> <int> policy_kinds[node.kind]
            made[i].extent = node.extent
            made[i].allowance = node.allowance
            made[i].bits = node.bits
            made[i].min_value = node.least
            made[i].max_value = node.most
            made[i].threshold = node.threshold
            if node.kind == "probability" and not ns_threshold_of_probability(node.ratio, PRECISION, &made[i].threshold):
                raise ValueError(f"ratio must be a number from 2**-56 to 1, not {node.ratio}")
            made[i].salt = ns_fnv1a_start(<const char *> <bytes> node.salt, len(node.salt))
            made[i].rate = node.rate
            made[i].burst = node.burst
        self.policies = ns_policies_new(made, count)
        if self.policies == NULL:
            raise MemoryError
        return 0

    def counts(self):
        """The decisions of each policy, by name: traces ``sampled``, ``not_sampled`` and ``dropped`` (Drop policies only),
        ``spans_sampled`` and ``spans_dropped``."""
        counted = {}
        for index, name in enumerate(self.names):
            counted[name] = ns_policies_counts(self.policies, index)
        return counted
