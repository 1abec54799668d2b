# Single fields of a span: ids, times, texts, counts, flags; included by encoder.pyx.

cdef ns_text no_text() noexcept:
    cdef ns_text text
    memset(&text, 0, sizeof(text))
    return text


cdef object as_str(object value, EncodeCounts *counts):
    """The value of a string field: a str or None unchanged, else str(value), counted."""
    if value is None or isinstance(value, str):
        return value
    try:
        value = str(value)
    except Exception:
        counts.lost += 1
        return None
    counts.repaired += 1
    return value


cdef inline ns_text text_or_empty(object value) noexcept:
    return no_text() if value is None else nspy_text(value)


cdef int id_bytes(object number, uint8_t *out, size_t size, EncodeCounts *counts) except -1:
    """An id as `size` big-endian bytes. Too large or negative: the low bits, counted. Not an int: raises."""
    if nspy_id_bytes(number, out, size) == 0:
        return 0
    cdef object bits = 8 * size
    cdef bytes low = (number & ((1 << bits) - 1)).to_bytes(size, "big")
    cdef size_t i
    for i in range(size):
        out[i] = <uint8_t> low[i]
    counts.repaired += 1
    return 0


cdef uint64_t timestamp(object value, EncodeCounts *counts) except? 0:
    """Nanoseconds since the epoch. None: 0, which is not encoded. Out of range: clamped. Not a number: 0, counted."""
    if value is None:
        return 0
    cdef int overflow = 0
    cdef int64_t nanoseconds
    if type(value) is int:
        nanoseconds = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow and nanoseconds >= 0:
            return <uint64_t> nanoseconds
        if overflow > 0 and value <= MAX_TIME:
            return value
    try:
        value = int(value)
    except Exception:
        counts.lost += 1
        return 0
    counts.repaired += 1
    return min(max(value, 0), MAX_TIME)


cdef uint32_t dropped_count(object value, EncodeCounts *counts) except? 0:
    cdef int overflow = 0
    cdef int64_t number
    if value is None:
        return 0
    if type(value) is int:
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow and 0 <= number <= MAX_DROPPED:
            return <uint32_t> number
    counts.repaired += 1
    try:
        return min(max(int(value), 0), MAX_DROPPED)
    except Exception:
        return 0


cdef uint8_t span_kind(object kind, EncodeCounts *counts) noexcept:
    if kind is INTERNAL:
        return 1
    if kind is SERVER:
        return 2
    if kind is CLIENT:
        return 3
    if kind is PRODUCER:
        return 4
    if kind is CONSUMER:
        return 5
    counts.lost += 1
    return 0


cdef object trace_state_text(object trace_state, EncodeCounts *counts):
    """The W3C header form, or None for no trace state."""
    if trace_state is None or trace_state is DEFAULT_TRACE_STATE:
        return None
    try:
        return ",".join([f"{key}={value}" for key, value in trace_state.items()])
    except Exception:
        counts.lost += 1
        return None


cdef inline object context_item(object context, Py_ssize_t index, str name):
    """A field of a SpanContext by its position in the tuple; of any other object by name."""
    if type(context) is SpanContext:
        return <object> PyTuple_GET_ITEM(context, index)
    return PyObject_GetAttr(context, name)


cdef uint32_t flags_of(object own, object remote_of, EncodeCounts *counts) except? 0:
    """OTLP flags: the W3C bits of `own`; whether `remote_of` (the parent or the linked context) is remote."""
    cdef uint32_t flags = NS_FLAGS_HAS_IS_REMOTE
    try:
        flags |= <uint32_t> PyLong_AsLong(context_item(own, 3, "trace_flags")) & NS_FLAGS_W3C_MASK
        if remote_of is not None and context_item(remote_of, 2, "is_remote"):
            flags |= NS_FLAGS_IS_REMOTE
    except Exception:
        counts.lost += 1
    return flags
