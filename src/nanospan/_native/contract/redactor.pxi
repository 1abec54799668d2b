# The compiled rules of a Redaction, csrc/contract/ns_redact.h, and `Cleaner`: values and texts without their secrets, by
# these rules; included by __init__.pyx.

cdef enum:
    STACK_TEXT = 1024           # bytes; longer texts use the heap
    MAX_DEPTH = 64              # of nested values; deeper ones are masked whole. The encoder writes 100 messages at most
    MAX_TEXT = 0x7FFFFFFF       # bytes
    MAX_NODES = 100000          # of one value; further ones are masked whole

cdef int64_t LEAST_CARD = 1000000000000  # of 13 digits
cdef object MOST_CARD = 10 ** 19

# The value of an option is a part of the list: masked, as parts of a text are.
cdef tuple OF_OPTION = ("mask", 0)

# A pair with this value does not leave the process.
ABSENT = object()

KEY_FLAGS = {
    "any_end": NS_KEY_ANY_END, "word_end": NS_KEY_WORD_END, "whole": NS_KEY_WHOLE, "weak": NS_KEY_WEAK, "line": NS_KEY_LINE
}
DETECT_ALL = NS_DETECT_ALL
MAX_BYTES_DEFAULT = NS_MAX_BYTES_DEFAULT


class Withheld(Exception):
    """Raised by a rule that drops the whole span."""


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


cdef inline uint32_t open_end(Cleaner cleaner, size_t length) noexcept:
    """The flag of a text that a limit may have cut: one that is as long as a limit allows."""
    return NS_AS_OPEN_END if length == cleaner.cut_lengths[0] or length == cleaner.cut_lengths[1] else 0


cdef bint is_option(object item) except -1:
    """Whether an item of a list is an option of a command, of which the next item may be the value."""
    return isinstance(item, str) and str.startswith(item, "--")


cdef str member_of(object key, object value):
    """A member of a trace state, as it leaves."""
    return f"{key}={value}"


# A span may end in a destructor that runs while the collector clears the cycle that the contract is part of.
@cython.no_gc_clear
cdef class Cleaner(SpanContract):
    cdef bint is_suspect(self, object value, uint32_t scan_as) except -1:
        """Whether `clean` may find a secret in it."""
        cdef ns_text text
        cdef int overflow = 0
        cdef int64_t number
        if self.has_patterns:
            return True
        if type(value) is str:
            text = nspy_text(value)
            return ns_redact_suspect(self.redactor, &text, scan_as | open_end(self, text.length))
        if type(value) is int:
            number = PyLong_AsLongLongAndOverflow(value, &overflow)
            return not overflow and number >= LEAST_CARD and ns_redact_int(self.redactor, number)
        if type(value) is bool or type(value) is float or value is None:
            return False
        if type(value) is tuple:
            for item in <tuple> value:
                if type(item) is tuple or self.is_suspect(item, scan_as) or is_option(item):
                    return True
            return False
        return True

    cdef object clean_pairs(self, object pairs):
        """As `clean_mapping`, of attributes."""
        cdef size_t room = MAX_NODES
        return self.clean_mapping(pairs, -1, &room) if pairs and self.redactor is not NULL else pairs

    cdef object act(self, KeyFacts facts, object value, size_t *room):
        after = self.redaction._act(facts.action, value)
        # The keys of mappings stay.
        return self.clean(after, facts.scan_as, 0, room) if type(after) is dict or type(after) is tuple else after

    def clean_name(self, name):
        if name is None or self.redactor is NULL:
            return name
        cdef str text = text_of(name)
        cleaned = self.clean_text(text, NS_AS_NAME)
        return name if cleaned is text else cleaned

    def clean_status_of(self, status):
        description = status.description
        if description is None:
            return status
        cdef str text = text_of(description)
        cleaned = self.clean_text(text, 0)
        return status if cleaned is text else Status(status.status_code, cleaned)

    cdef object clean_context(self, object context):
        if context is None or self.redactor is NULL:
            return context
        before = context.trace_state
        state = self.clean_state_of(before)
        if state is before:
            return context
        return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags, state)

    def clean_state_of(self, state):
        """Without the members that hold a secret: a marker is no valid value of every vendor's member."""
        if not state:
            return state
        members = []
        for key, value in state.items():
            member = member_of(key, value)
            if self.clean_text(member, 0) is member:
                members.append((key, value))
        return state if len(members) == len(state) else TraceState(members)

    cdef object clean(self, object value, uint32_t scan_as, int depth, size_t *room):
        """The value itself, or a copy without its secrets."""
        if isinstance(value, str):
            text = text_of(value)
            cleaned = self.clean_text(text, scan_as)
            return value if cleaned is text else cleaned
        if value is None or isinstance(value, (bool, float)):
            return value
        if isinstance(value, int):
            number = int.__index__(value)  # of a subclass as well, whatever its methods say
            if LEAST_CARD <= number <= MOST_CARD:
                text = str(number)
                return value if self.clean_text(text, 0) is text else self.marker
            return value
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self.clean_binary(value, scan_as)
        if depth >= MAX_DEPTH or room[0] == 0:
            self.mask_whole()
            return self.marker
        room[0] -= 1
        if isinstance(value, (tuple, list)) or isinstance(value, Sequence):
            return self.clean_items(value, scan_as, depth, room)
        if isinstance(value, dict) or isinstance(value, Mapping):
            return self.clean_mapping(value, depth, room)
        return value  # no attribute value: the encoder leaves it out

    cdef object clean_items(self, object items, uint32_t scan_as, int depth, size_t *room):
        cdef bint is_secret = False
        before = tuple(items)
        after = []
        for item in before:
            if is_secret and isinstance(item, str) and not is_option(item):
                after.append(self.redaction._act(OF_OPTION, item))
            else:
                after.append(self.clean(item, scan_as, depth + 1, room))
            is_secret = is_option(item) and self.redaction._is_sensitive_option(text_of(item))
        return items if all_same(before, after) else tuple(after)

    cdef object clean_mapping(self, object pairs, int depth, size_t *room):
        """The mapping itself, or a changed copy."""
        cdef KeyFacts facts
        cdef bint changed = False
        after = {}
        for key, value in pairs.items():
            facts = self.keys.find(text_of(key))
            if facts.action is not None:
                new_value = self.act(facts, value, room)
            else:
                new_value = self.clean(value, facts.scan_as, depth + 1, room)
            new_key = key if facts.other_text is None else facts.other_text
            changed |= new_value is not value or new_key is not key
            if new_value is not ABSENT:
                after[new_key] = new_value
        return after if changed else pairs

    cdef object clean_text(self, str value, uint32_t scan_as):
        cdef ns_text text
        if self.has_patterns:
            value = self.redaction._mask_patterns(value)
        text = nspy_text(value)
        scan_as |= open_end(self, text.length)
        if not ns_redact_suspect(self.redactor, &text, scan_as):
            return value
        data = value.encode("utf-8", "surrogatepass")
        cleaned = self.clean_bytes(data, scan_as)
        return value if cleaned is data else (<bytes> cleaned).decode("utf-8", "surrogatepass")

    cdef object clean_binary(self, object value, uint32_t scan_as):
        cdef bytes data = value if type(value) is bytes else bytes(memoryview(value))
        cdef bytes cleaned = data
        if self.has_patterns:
            text = data.decode("utf-8", "surrogateescape")
            masked = self.redaction._mask_patterns(text)
            if masked is not text:
                cleaned = masked.encode("utf-8", "surrogateescape")
        cleaned = self.clean_bytes(cleaned, scan_as)
        return value if cleaned is data else cleaned

    cdef object clean_bytes(self, bytes value, uint32_t scan_as):
        cdef uint8_t storage[STACK_TEXT]
        cdef ns_buf out
        cdef ns_redact_hits hits
        cdef size_t replaced
        memset(&hits, 0, sizeof(hits))
        ns_buf_init(&out, storage, STACK_TEXT, MAX_TEXT)
        try:
            replaced = ns_redact_utf8(self.redactor, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), scan_as, &out, &hits)
            if not replaced:
                return value
            add_hits(&self.hits, &hits)
            if out.failed:
                self.mask_whole()
                return self.marker.encode()
            return PyBytes_FromStringAndSize(<char *> out.data, out.len)
        finally:
            ns_buf_free(&out)

    cdef void mask_whole(self) noexcept:
        add_u64(&self.masked_whole, 1)
