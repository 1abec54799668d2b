from libc.stdint cimport uint32_t, uint64_t

from nanospan._native.contract.csrc cimport ns_redact_hits, ns_redactor
from nanospan._native.encoding cimport SpanContract


# The compiled rules of a Redaction. Immutable: any number of threads use it.
cdef class Redactor:
    cdef ns_redactor *compiled


# What redaction does to values and texts. `Contract` sets the fields when it is made; all but the table and counts are
# fixed.
cdef class Cleaner(SpanContract):
    cdef readonly object redaction     # nanospan.contract.Redaction or None
    cdef Redactor redactor_owner
    cdef const ns_redactor *redactor   # NULL: nothing is redacted
    cdef str marker                    # what stands for a secret
    cdef size_t cut_lengths[2]         # characters after which the limits of the environment cut values
    cdef bint has_patterns             # regular expressions of `blocked_values`
    cdef KeyTable keys                 # attribute keys
    cdef ns_redact_hits hits           # relaxed
    cdef uint64_t masked_whole         # values that could not be treated in part; relaxed

    cdef bint is_suspect(self, object value, uint32_t scan_as) except -1
    cdef object clean_context(self, object context)
    cdef object clean_pairs(self, object pairs)
    cdef object act(self, KeyFacts facts, object value, size_t *room)
    cdef object clean(self, object value, uint32_t scan_as, int depth, size_t *room)
    cdef object clean_items(self, object items, uint32_t scan_as, int depth, size_t *room)
    cdef object clean_mapping(self, object pairs, int depth, size_t *room)
    cdef object clean_text(self, str value, uint32_t scan_as)
    cdef object clean_binary(self, object value, uint32_t scan_as)
    cdef object clean_bytes(self, bytes value, uint32_t scan_as)
    cdef void mask_whole(self) noexcept
