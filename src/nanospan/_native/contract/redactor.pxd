from nanospan._native.contract.csrc cimport ns_redact_hits, ns_redactor


# The compiled rules of a Redaction. Immutable: any number of threads use it.
cdef class Redactor:
    cdef ns_redactor *compiled
