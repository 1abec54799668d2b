"""C-level tail sampling: conditions and policies for whoever holds spans until their trace is decided on.

    policies = CompiledPolicies(Plan(tail_sampling.policies))  # keep it alive for as long as its pointers are used
    ns_facts_of_span(span, size, policies.conditions, &facts)  # at the end of each span
    ns_policies_decide(policies.policies, &trace, now)         # once a trace

Nothing here needs the interpreter lock but the reading of facts while `policies.asks_python`: a pattern is searched by
Python's re, and the lock must be held then. ns_facts.c, ns_policy.c and ns_rate_controller.c keep no state of their own, so that
each extension which needs them is linked with them.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from nanospan._native.tail.csrc cimport c_bool, ns_conditions, ns_policies


cdef class CompiledPolicies:
    cdef const ns_conditions *conditions
    cdef ns_policies *policies
    cdef readonly bint asks_python  # the interpreter lock must be held where facts are read
    cdef readonly tuple names       # of the top-level policies, in their order
    cdef list matchers              # by condition; None for those that C decides

    cdef int compile_conditions(self, list conditions) except -1
    cdef int compile_nodes(self, list nodes) except -1
