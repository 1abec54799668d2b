"""Follows the decisions on the spans that a span links to. nanospan.sampling.LinksBased is the public class."""

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from nanospan._native.context cimport context_of_link
from nanospan._native.sampling.csrc cimport NS_OT_NONE, ns_ot

cdef enum:
    LINKED_SAMPLED = 1
    LINKED_NOT_SAMPLED = 2


cdef inline int flags_of_link(object context) except -1:
    if span_context_is_tuple and type(context) is span_context_type:
        flags = (<tuple> context)[TRACE_FLAGS]
    else:
        flags = context.trace_flags
    return PyLong_AsUnsignedLongLongMask(flags) & 1  # some give a plain int


cdef int link_index(object links) except -1:
    """Which of the delegates decides: 0 without a link that is valid. What cannot be read is no link."""
    cdef int index = 0
    cdef int bits
    try:
        for link in links or ():
            try:
                context = context_of_link(link)
                if not is_valid(context):
                    continue
                bits = flags_of_link(context)
            except Exception:
                continue
            if bits:
                return LINKED_SAMPLED
            index = LINKED_NOT_SAMPLED
    except Exception:
        pass
    return index


cdef class NativeLinksBased(NativeOwnSampler):
    """Delegates to one of three samplers, selected by the links."""

    def _bind(self, root, linked_sampled, linked_not_sampled):
        cdef NativeSampler native
        cdef int depth = 0
        self.delegates = (root, linked_sampled, linked_not_sampled)
        self.natives = (native_of(root), native_of(linked_sampled), native_of(linked_not_sampled))
        counting = {}
        for native in self.natives:
            depth = max(depth, native.depth)
            if native.counts_spans:
                counting[id(native)] = native
        self.counting = tuple(counting.values())
        self.counts_spans = bool(self.counting)
        native = self.natives[0]
        self.consistent, self.root_only = native.consistent, native.root_only
        self.set_depth(1 + depth)

    cdef int decide_full(self, SamplingInput *given, SamplingOutput *output) except -2:
        cdef int index = link_index(<object> given.links)
        cdef NativeSampler native = <NativeSampler> self.natives[index]
        cdef int decision = answer_of(native, self.delegates[index], given, output)
        if self.counts_spans and decision == RECORD_AND_SAMPLE:
            for other in self.counting:
                if other is not native:
                    (<NativeSampler> other).count_span(given)
        # The share of the traces that links keep is not known: erase the parent's threshold.
        if (index and self.consistent and given.parent_state is not NULL and not native.consistent
                and not output.state_changed):
            write_ot(given, output, NS_OT_NONE, NS_OT_NONE)
        return decision

    cdef uint64_t randomness_of(self, const SamplingInput *given, const ns_ot *ot) noexcept:
        return (<NativeSampler> self.natives[0]).randomness_of(given, ot)

    cdef void count_span(self, const SamplingInput *given) noexcept:
        for native in self.counting:
            (<NativeSampler> native).count_span(given)
