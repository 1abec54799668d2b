"""Links that select the sampler of a span."""


cdef class NativeLinksBased(NativeOwnSampler):
    cdef tuple delegates         # the root, then by LINKED_SAMPLED and LINKED_NOT_SAMPLED
    cdef tuple natives           # of them; foreign_sampler stands for those that are not native
    cdef tuple counting          # of these the ones with `counts_spans`
