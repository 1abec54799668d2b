# The compiled rules of a Redaction, csrc/contract/ns_redact.h; included by __init__.pyx.

KEY_FLAGS = {
    "any_end": NS_KEY_ANY_END, "word_end": NS_KEY_WORD_END, "whole": NS_KEY_WHOLE, "weak": NS_KEY_WEAK, "line": NS_KEY_LINE
}
DETECT_ALL = NS_DETECT_ALL
MAX_BYTES_DEFAULT = NS_MAX_BYTES_DEFAULT


cdef class Redactor:
    """``keys`` are pairs of a key and its flags, the sum of some of KEY_FLAGS; ``literals`` and ``marker`` are texts.

    Raises ValueError, with the key or text, for one that the compiled form does not take; MemoryError.
    """

    def __cinit__(self, *, detectors=NS_DETECT_ALL, max_bytes=NS_MAX_BYTES_DEFAULT, keys=(), literals=(), marker=None):
        cdef bytes data
        self.compiled = ns_redactor_new(detectors, max_bytes)
        if self.compiled == NULL:
            raise MemoryError
        for key, flags in keys:
            data = key.encode()
            if not ns_redactor_add_key(self.compiled, data, len(data), flags):
                raise ValueError(f"{key!r} cannot be a key: it must have 2 to 64 letters, digits or marks of ASCII")
        for text in literals:
            data = text.encode()
            if not ns_redactor_add_literal(self.compiled, data, len(data)):
                raise ValueError(
                    f"a text of {len(data)} bytes cannot be blocked: it must have 3 to 1,024, and there must be 1,024 texts "
                    "at most")
        if marker is not None:
            data = marker.encode()
            if not ns_redactor_set_marker(self.compiled, data, len(data)):
                raise ValueError(f"marker must have 1 to 64 bytes, not {len(data)}")
        if not ns_redactor_finish(self.compiled):
            raise MemoryError

    def __dealloc__(self):
        ns_redactor_free(self.compiled)


cdef list hits_of(const ns_redact_hits *hits):
    cdef int rule
    counts = []
    for rule in range(NS_RULES):
        counts.append(load_u32(&hits.by_rule[rule]))
    return counts


cdef void add_hits(ns_redact_hits *into, const ns_redact_hits *found) noexcept:
    cdef int rule
    for rule in range(NS_RULES):
        if found.by_rule[rule]:
            add_u32(&into.by_rule[rule], found.by_rule[rule])
