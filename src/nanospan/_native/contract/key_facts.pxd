from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t, uintptr_t

from nanospan._native.contract.csrc cimport ns_redactor

cdef extern from "contract/quick_look.h":
    enum:
        KEY_FOUND
        KEY_CHANGED
        KEY_SCANNED
        KEY_TYPED
        KEY_LISTED
        KEY_ROUTE
        TEXT_NEW
        PATH_UNKNOWN
        KIND_STRING
        KIND_BOOLEAN
        KIND_INT
        KIND_DOUBLE
        LOOK_NOTHING
        LOOK_CHANGED
        LOOK_CLOSER
        KEY_SLOTS
        CUT_LENGTHS

    ctypedef struct nspy_key_slot:
        PyObject *key
        PyObject *facts
        PyObject *member
        uint32_t flags
        uint32_t accepted
        uint32_t scan_as

    void set_type "nspy_set_type"(nspy_key_slot *slot) noexcept
    bint is_innocent "nspy_is_innocent"(nspy_key_slot *slots, PyObject *text, uint32_t unless) noexcept
    nspy_key_slot *slot_of "nspy_slot_of"(nspy_key_slot *slots, PyObject *key) noexcept
    uint32_t scalar_kind "nspy_kind_of"(object value) noexcept
    int quick_look "nspy_quick_look"(nspy_key_slot *slots, nspy_key_slot *routes, PyObject *key, PyObject *value,
                                     const ns_redactor *redactor, const size_t *cut_lengths) noexcept


# How often one finding was made on the spans of one scope.
cdef class ScopeCount:
    cdef readonly object finding  # its identifier
    cdef readonly object scope    # an InstrumentationScope or None
    cdef bint begun               # the findings know of it
    cdef uint64_t count           # since they were told; relaxed


# What the rules say of one attribute key, or of one span name. Immutable but for the counts.
cdef class KeyFacts:
    cdef readonly str text
    cdef str reported_as          # the key of its findings
    cdef uint32_t flags           # KEY_*
    cdef uint32_t scan_as         # NS_AS_*: what kind of text the value is
    cdef uint32_t accepted        # KIND_*, those of arrays shifted; 0: any
    cdef frozenset members        # values of an enum; None: any
    cdef dict old_values          # deprecated values; None: none
    cdef str other_text           # the text itself holds a secret: what leaves instead; None: `text`
    cdef object rule              # a KeyRule of the conventions, or None
    cdef object action            # a key rule of the redaction, or None
    cdef dict counts              # ScopeCount by the scope's address and the finding
    cdef ScopeCount last          # the one counted last
    cdef uintptr_t last_id

    cdef int settle(self, object is_path) except -1
    cdef ScopeCount count_of(self, object scope, unsigned int finding)


# KeyFacts by text. With the interpreter lock first by the address of the text: most keys are the same str object each time.
cdef class KeyTable:
    cdef nspy_key_slot *slots
    cdef dict by_text
    cdef object make              # called with a text seen for the first time; returns its KeyFacts
    cdef object forget            # called with the KeyFacts of a table that starts again

    cdef KeyFacts find(self, object key)
    cdef KeyFacts find_slowly(self, object key)
    cdef void renew(self, object text, KeyFacts facts) noexcept
    cdef void remember_member(self, object key, object member) noexcept
    cdef void forget_slots(self) noexcept
    cdef int start_again(self) except -1
