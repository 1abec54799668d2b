"""Declarations of the headers of csrc/contract."""

from libc.stdint cimport int64_t, uint32_t

from nanospan._native.base.csrc cimport ns_text
from nanospan._native.encoding.csrc cimport ns_buf

cdef extern from "contract/ns_keys.h" nogil:
    enum:
        NS_KEY_ANY_END
        NS_KEY_WORD_END
        NS_KEY_WHOLE
        NS_KEY_WEAK
        NS_KEY_LINE

cdef extern from "contract/search/ns_find.h" nogil:
    enum:
        NS_AS_URL
        NS_AS_NAME
        NS_AS_OPEN_END
        NS_RULES

cdef extern from "contract/ns_redact.h" nogil:
    enum:
        NS_DETECT_ALL
        NS_MAX_BYTES_DEFAULT

    ctypedef struct ns_redactor:
        pass

    ctypedef struct ns_redact_hits:
        uint32_t by_rule[10]  # NS_RULES
        size_t visited

    ns_redactor *ns_redactor_new(uint32_t detectors, size_t max_bytes)
    void ns_redactor_free(ns_redactor *redactor)
    bint ns_redactor_add_key(ns_redactor *redactor, const char *key, size_t size, uint32_t flags)
    bint ns_redactor_add_literal(ns_redactor *redactor, const char *text, size_t size)
    bint ns_redactor_set_marker(ns_redactor *redactor, const char *marker, size_t size)
    bint ns_redactor_finish(ns_redactor *redactor)
    bint ns_redact_suspect(const ns_redactor *redactor, const ns_text *value, uint32_t scan_as)
    bint ns_redact_int(const ns_redactor *redactor, int64_t value)
    size_t ns_redact_utf8(const ns_redactor *redactor, const char *text, size_t size, uint32_t scan_as, ns_buf *out,
                          ns_redact_hits *hits)
