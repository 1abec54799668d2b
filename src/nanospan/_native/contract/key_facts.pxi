# What the rules say of a key, and the table that finds it; included by __init__.pyx.

from collections.abc import Mapping, Sequence

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Next, PyDict_Size
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.object cimport PyObject, PyObject_GenericGetAttr
from cpython.ref cimport Py_CLEAR, Py_INCREF, Py_XDECREF
from cpython.tuple cimport PyTuple_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, TraceState
from opentelemetry.trace.span import DEFAULT_TRACE_STATE

from nanospan._compat import sdk as private
from nanospan._native.base.csrc cimport ns_text
from nanospan._native.base.pycompat cimport nspy_text
from nanospan._native.base.threads cimport FREE, add_u32, add_u64, load_u32, load_u64, store_u64
from nanospan._native.contract.csrc cimport *
from nanospan._native.encoding cimport SpanContract, readable_calls
from nanospan._native.encoding.csrc cimport ns_buf, ns_buf_free, ns_buf_init
from nanospan._native.encoding.span_view cimport (
    EncodeCounts, SpanView, clear_view, object_or_none, reference_or_null, release_view
)

cdef enum:
    KIND_ARRAY_SHIFT = 8  # an array of strings is KIND_STRING << KIND_ARRAY_SHIFT

# What can be found of a pair; FINDINGS has the identifiers, except that of the key itself.
cdef enum:
    FOUND_KEY
    FOUND_TYPE
    FOUND_VALUE
    FOUND_MEMBER
    FOUND_PATH
    FOUND_MANY

cdef enum:
    MAX_KEYS = 4096       # beyond, the table starts again: keys that never repeat must not fill the memory
    MAX_SCOPES = 256      # of one key; further ones share a count
    MAX_KEY = 1024        # characters; what is known of a longer text is not kept

cdef tuple FINDINGS = (None, "type_mismatch", "deprecated", "undefined_enum_variant", "concrete_path", "too_many_values")

cdef dict NO_PAIRS = {}
cdef dict KINDS = {
    "any": 0,
    "string": KIND_STRING,
    "boolean": KIND_BOOLEAN,
    "int": KIND_INT,
    "double": KIND_DOUBLE | KIND_INT,  # JSON and most backends do not tell 1 from 1.0
    "string[]": KIND_STRING << KIND_ARRAY_SHIFT,
    "boolean[]": KIND_BOOLEAN << KIND_ARRAY_SHIFT,
    "int[]": KIND_INT << KIND_ARRAY_SHIFT,
    "double[]": (KIND_DOUBLE | KIND_INT) << KIND_ARRAY_SHIFT,
}


cdef class ScopeCount:
    def __cinit__(self, finding, scope):
        self.finding = finding
        self.scope = scope
        self.begun = False
        self.count = 0

    def take(self):
        """How often since the last call."""
        cdef uint64_t count = load_u64(&self.count)
        store_u64(&self.count, 0)
        return count


cdef class KeyFacts:
    def __cinit__(self, str text):
        self.text = text
        self.reported_as = text[:MAX_KEY]
        self.flags = self.scan_as = self.accepted = 0
        self.counts = {}
        self.last_id = 0

    cdef int settle(self, object is_path) except -1:
        """The answer about a path; None: this span could not tell."""
        if is_path is not None:
            self.flags = (self.flags & ~PATH_UNKNOWN) | (KEY_FOUND if is_path else 0)
        return 0

    @cython.critical_section
    cdef ScopeCount count_of(self, object scope, unsigned int finding):
        """The count of a finding."""
        # Addresses are multiples of 16; each count refers to its scope, so that no other object gets its address.
        cdef uintptr_t wanted = (<uintptr_t> <void *> scope) | finding
        cdef ScopeCount found
        if self.last_id == wanted:
            return self.last
        if len(self.counts) >= MAX_SCOPES and wanted not in self.counts:
            scope, wanted = None, finding
        found = self.counts.get(wanted)
        if found is None:
            found = ScopeCount(self.rule.finding if finding == FOUND_KEY else FINDINGS[finding], scope)
            self.counts[wanted] = found
        self.last, self.last_id = found, wanted
        return found


cdef class KeyTable:
    def __cinit__(self, make, forget):
        self.slots = <nspy_key_slot *> calloc(KEY_SLOTS, sizeof(nspy_key_slot))
        if self.slots == NULL:
            raise MemoryError
        self.by_text = {}
        self.make = make
        self.forget = forget

    def __dealloc__(self):
        if self.slots != NULL:
            self.forget_slots()
            free(self.slots)

    def __iter__(self):
        return iter(list(self.by_text.values()))

    cdef void forget_slots(self) noexcept:
        cdef int i
        for i in range(KEY_SLOTS):
            self.slots[i].flags = 0
            Py_CLEAR(self.slots[i].key)
            Py_CLEAR(self.slots[i].facts)
            Py_CLEAR(self.slots[i].member)

    cdef int start_again(self) except -1:
        forgotten = list(self.by_text.values())
        self.by_text.clear()
        # The slots too: what is counted in facts that nothing lists would be lost.
        if not FREE:
            self.forget_slots()
        for each in forgotten:
            self.forget(each)
        return 0

    cdef KeyFacts find(self, object key):
        cdef nspy_key_slot *slot
        if not FREE:
            slot = slot_of(self.slots, <PyObject *> key)
            if slot.key == <PyObject *> key:
                return <KeyFacts> slot.facts
        return self.find_slowly(key)

    cdef void renew(self, object text, KeyFacts facts) noexcept:
        """For the quick look, after the flags changed."""
        cdef nspy_key_slot *slot
        if not FREE:
            slot = slot_of(self.slots, <PyObject *> text)
            if slot.key == <PyObject *> text:
                slot.flags = facts.flags

    cdef void remember_member(self, object key, object member) noexcept:
        """For the quick look: a value that is in the list of its key."""
        cdef nspy_key_slot *slot
        cdef PyObject *old
        if not FREE and (type(member) is str or type(member) is int):
            slot = slot_of(self.slots, <PyObject *> key)
            if slot.key == <PyObject *> key:
                old = slot.member
                Py_INCREF(member)
                slot.member = <PyObject *> member
                Py_XDECREF(old)

    cdef KeyFacts find_slowly(self, object key):
        cdef nspy_key_slot *slot
        cdef nspy_key_slot old
        cdef KeyFacts facts = self.by_text.get(key)
        if facts is None:
            facts = self.make(str(key))
            if len(key) > MAX_KEY:
                return facts
            if len(self.by_text) >= MAX_KEYS:
                self.start_again()
            facts = self.by_text.setdefault(facts.text, facts)
        if not FREE:
            slot = slot_of(self.slots, <PyObject *> key)
            old = slot[0]
            Py_INCREF(key)
            Py_INCREF(facts)
            slot.key, slot.facts = <PyObject *> key, <PyObject *> facts
            slot.flags, slot.accepted, slot.scan_as = facts.flags, facts.accepted, facts.scan_as
            set_type(slot)
            slot.member = NULL
            # Last: a destructor may run Python code, which needs a consistent slot.
            Py_XDECREF(old.key)
            Py_XDECREF(old.facts)
            Py_XDECREF(old.member)
        return facts
