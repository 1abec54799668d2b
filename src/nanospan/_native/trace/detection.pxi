"""What a native tracer can notice of Contexts that were lost; off unless `nanospan.concurrency.detect` is called.

Off, it costs a branch at the start and at the end of a span. On, a start costs some comparisons, and two dict operations for
each trace: a table holds the spans that have no parent in this process, while they last. What was noticed goes to `report`.
"""

cimport cython
from cpython.dict cimport PyDict_Size
from libc.stdint cimport uint64_t

from opentelemetry.trace import SpanKind

from nanospan._native.base.pycompat cimport nspy_trace_id
from nanospan._native.base.threads cimport load_flag, store_flag
from nanospan._native.context cimport Ids

cdef object SERVER = SpanKind.SERVER
cdef object CONSUMER = SpanKind.CONSUMER
cdef object INTERNAL_KIND = SpanKind.INTERNAL
cdef object CLIENT_KIND = SpanKind.CLIENT

cdef enum:
    MAX_ROOTS = 65536    # spans without a parent here that last at a time; more are not in the table
    MAX_SCOPES = 1024    # others are counted together


cdef class Detector:
    """The state of one detection.

    ``report(signal, name, scope)`` is called for each signal; what it raises, it raises from `start_span` or `end`.
    ``is_worker()`` tells whether the current thread belongs to a pool.
    """

    cdef object report
    cdef object is_worker
    cdef dict roots            # span id -> whether it is a request: a SERVER or CONSUMER span
    cdef dict traces           # trace id -> how many of its spans are in `roots`
    cdef dict scopes           # name -> [spans started, of them with a lost parent]
    cdef Py_ssize_t requests   # in `roots`
    cdef readonly uint64_t untracked

    def __init__(self, report, is_worker):
        self.report = report
        self.is_worker = is_worker
        self.roots = {}
        self.traces = {}
        self.scopes = {}

    @cython.critical_section
    def completeness(self):
        """By scope: the spans started, and how many of them had lost their parent."""
        # Of a copy: what the collector frees meanwhile may start spans of another scope.
        return {scope: (counts[0], counts[1]) for scope, counts in self.scopes.copy().items()}

    @cython.critical_section
    def close(self):
        """Forget the spans that last; the counts stay."""
        self.roots = {}
        self.traces = {}
        self.requests = 0

    @cython.critical_section
    cdef list counts_of(self, object scope):
        counts = self.scopes.get(scope)
        if counts is None:
            if PyDict_Size(self.scopes) >= MAX_SCOPES:
                scope = None
            counts = self.scopes.setdefault(scope, [0, 0])
        counts[0] += 1
        return counts

    @cython.critical_section
    cdef int add_root(self, const Ids *ids, bint is_request) except -1:
        if PyDict_Size(self.roots) >= MAX_ROOTS:
            self.untracked += 1
            return 0
        trace_id = nspy_trace_id(ids.trace_high, ids.trace_low)
        self.roots[ids.span] = is_request
        self.traces[trace_id] = self.traces.get(trace_id, 0) + 1
        self.requests += is_request
        return 0

    @cython.critical_section
    cdef int remove_root(self, const Ids *ids) except -1:
        is_request = self.roots.pop(ids.span, None)
        if is_request is None:
            return 0
        self.requests -= <bint> is_request
        trace_id = nspy_trace_id(ids.trace_high, ids.trace_low)
        left = self.traces.get(trace_id, 0) - 1
        if left > 0:
            self.traces[trace_id] = left
        else:
            self.traces.pop(trace_id, None)
        return 0

    cdef int started(self, const Ids *ids, const Ids *parent, bint parent_has_ended, object name, object kind,
                     object scope, bint has_links) except -1:
        """``parent``: NULL for a root."""
        cdef list counts = self.counts_of(scope)
        cdef bint is_request = kind is SERVER or kind is CONSUMER
        signal = None
        if parent is NULL:
            if kind is CONSUMER and not has_links:
                signal = "consumer.unlinked"
            elif (kind is INTERNAL_KIND or kind is CLIENT_KIND) and self.requests > 0 and not has_links and self.is_worker():
                signal = "root.unexpected"
                counts[1] += 1
        elif parent_has_ended:
            signal = "child.late"
            if nspy_trace_id(ids.trace_high, ids.trace_low) not in self.traces:
                signal = "child.stale"
            counts[1] += 1
        if parent is NULL or parent.is_remote:
            self.add_root(ids, is_request)
        if signal is not None:
            self.report(signal, name, scope)
        return 0

    cdef int ended(self, const Ids *ids, bint is_child) except -1:
        return 0 if is_child else self.remove_root(ids)

    cdef int abandoned(self, const Ids *ids, bint is_child, object name, object scope) except -1:
        self.ended(ids, is_child)
        self.report("span.abandoned", name, scope)
        return 0


# The detector in use. A thread owns a reference while it uses one: it may be replaced meanwhile, and then goes.
cdef class DetectorSlot:
    cdef Detector held

    @cython.critical_section
    cdef Detector taken(self):
        return self.held

    @cython.critical_section
    cdef Detector replaced(self, Detector made):
        """The detector before, which the caller releases outside the section."""
        was = self.held
        self.held = made
        return was


cdef bint detecting = False  # relaxed
cdef DetectorSlot detector_slot = DetectorSlot()


def start_detection(Detector made):
    """Let ``made`` look at the spans of native tracers; None: nothing looks at them."""
    _was = detector_slot.replaced(made)
    store_flag(&detecting, made is not None)
