from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from nanospan._native.encoding.span_view cimport EncodeCounts, SpanView


# The compiled rules of one processor. All but the tables and counts are fixed when it is made.
cdef class Contract(Cleaner):
    cdef readonly object conventions   # nanospan.contract.Conventions or None
    cdef readonly object findings      # nanospan.contract.conventions.Findings
    cdef object first_sight            # nanospan.contract._first_sight.FirstSight, or None
    cdef bint renames                  # conventions of the modes rename and dup
    cdef KeyTable names                # span names
    cdef KeyTable routes               # values of http.route
    cdef object clean_status           # the last Status and TraceState without a secret: most spans have the same ones
    cdef object clean_state
    cdef uint64_t changed              # spans that left changed; relaxed
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
    cdef int change_view(self, SpanView *view) except -1
    cdef int put(self, PyObject **place, object before, object after) except -1
    cdef object changed_pairs(self, object pairs, object kind)
    cdef object renamed(self, object pairs, object kind)
    cdef object clean_shared(self, object pairs)
