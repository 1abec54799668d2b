"""C-level tail sampling: compiled conditions and policies.

    policies = CompiledPolicies(Plan(tail_sampling.policies))  # must outlive every use of its pointers
    ns_facts_of_span(span, size, policies.conditions, &facts)  # at the end of each span
    ns_policies_decide(policies.policies, &trace, now)         # once per trace

Only reading facts while `policies.asks_python` needs the interpreter lock: Python's re searches the patterns. ns_facts.c,
ns_policy.c and ns_rate_controller.c have no state of their own, so they are linked into each extension that needs them.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from nanospan._native.tail.csrc cimport c_bool, ns_conditions, ns_policies


cdef class CompiledPolicies:
    cdef const ns_conditions *conditions
    cdef ns_policies *policies
    cdef readonly bint asks_python  # reading facts needs the interpreter lock
    cdef readonly tuple names       # of the top-level policies, in order
    cdef list matchers              # by condition; None: evaluated in C

    cdef int compile_conditions(self, list conditions) except -1
    cdef int compile_nodes(self, list nodes) except -1
