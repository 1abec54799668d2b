from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from nanospan._native.contract.csrc cimport ns_redact_hits, ns_redactor
from nanospan._native.encoding cimport SpanContract
from nanospan._native.encoding.span_view cimport EncodeCounts, SpanView


# The compiled rules of one processor. All but the tables and counts are fixed when it is made.
cdef class Contract(SpanContract):
    cdef readonly object conventions   # nanospan.contract.Conventions or None
    cdef readonly object redaction     # nanospan.contract.Redaction or None
    cdef readonly object findings      # nanospan.contract.conventions.Findings
    cdef object first_sight            # nanospan.contract._first_sight.FirstSight, or None
    cdef Redactor redactor_owner
    cdef const ns_redactor *redactor   # NULL: nothing is redacted
    cdef str marker                    # what stands for a secret
    cdef size_t cut_lengths[2]         # characters after which the limits of the environment cut values
    cdef bint has_patterns             # regular expressions of `blocked_values`
    cdef bint renames                  # conventions of the modes rename and dup
    cdef KeyTable keys                 # attribute keys
    cdef KeyTable names                # span names
    cdef KeyTable routes               # values of http.route
    cdef object clean_status           # the last Status and TraceState without a secret: most spans have the same ones
    cdef object clean_state
    cdef ns_redact_hits hits           # relaxed
    cdef uint64_t changed              # spans that left changed; relaxed
    cdef uint64_t masked_whole         # values that could not be treated in part; relaxed

    cdef dict known_scopes             # for exporters of objects: each and what it became, by its address
    cdef dict known_resources

    cdef int treat(self, SpanView *view) except -1
    cdef int look_at(self, SpanView *view) except -1
    cdef int look(self, SpanView *view, object key, object value, object scope) except -1
    cdef int look_at_pairs(self, SpanView *view, object attributes, object scope) except -1
    cdef int look_at_name(self, SpanView *view, object scope) except -1
    cdef int look_at_route(self, SpanView *view, object route, object scope) except -1
    cdef int see_first(self, KeyFacts facts, object scope, str reported_as) except -1
    cdef int look_at_events(self, object events, object scope) except -1
    cdef int look_at_links(self, object links, object scope) except -1
    cdef int look_at_status(self, object status) except -1
    cdef int look_at_state(self, object state) except -1
    cdef int check_value(self, KeyFacts facts, object key, object value, object scope) except -1
    cdef int count(self, KeyFacts facts, object scope, unsigned int finding) except -1
    cdef bint is_suspect(self, object value, uint32_t scan_as) except -1
    cdef int change_view(self, SpanView *view) except -1
    cdef int put(self, PyObject **place, object before, object after) except -1
    cdef object changed_pairs(self, object pairs, object kind)
    cdef object renamed(self, object pairs, object kind)
    cdef object clean_context(self, object context)
    cdef object clean_pairs(self, object pairs)
    cdef object clean_shared(self, object pairs)
    cdef object act(self, KeyFacts facts, object value, size_t *room)
    cdef object clean(self, object value, uint32_t scan_as, int depth, size_t *room)
    cdef object clean_items(self, object items, uint32_t scan_as, int depth, size_t *room)
    cdef object clean_mapping(self, object pairs, int depth, size_t *room)
    cdef object clean_text(self, str value, uint32_t scan_as)
    cdef object clean_binary(self, object value, uint32_t scan_as)
    cdef object clean_bytes(self, bytes value, uint32_t scan_as)
    cdef void mask_whole(self) noexcept
