# Single fields of a span (ids, times, texts, counts, flags) and attribute values; included by encoder.pxi.

cdef ns_text no_text() noexcept:
    cdef ns_text text
    memset(&text, 0, sizeof(text))
    return text


cdef object as_str(object value, EncodeCounts *counts):
    """The value of a string field: a str or None unchanged; the text that bytes are in UTF-8; else str(value), counted."""
    if value is None or isinstance(value, str):
        return value
    try:
        if isinstance(value, bytes):
            return text_of_bytes(<bytes> value, counts)
        if isinstance(value, (bytearray, memoryview)):
            value = text_of_bytes(bytes(value), counts)
        else:
            value = str(value)
    except Exception as error:
        leave_out(error, counts)
        return None
    counts.repaired += 1
    return value


cdef object text_of_bytes(bytes value, EncodeCounts *counts):
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        counts.repaired += 1
        return value.decode("utf-8", "replace")


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
    except Exception as error:
        leave_out(error, counts)
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
        members = []
        for key, value in trace_state.items():
            members.append(f"{key}={value}")
        return ",".join(members)
    except Exception as error:
        leave_out(error, counts)
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
    except Exception as error:
        leave_out(error, counts)
    return flags


# --- attribute values -------------------------------------------------------------------------------------------------

#
# A value that cannot be encoded loses as little as possible: an array element becomes an empty AnyValue, so that the others
# keep their positions; a pair of a mapping, or an attribute, is left out.

# Most protobuf parsers reject a message with more than 100 nested messages, and so the whole request. A value starts at
# depth seven (request, resource spans, scope spans, span, event, pair, value); an array adds two, a mapping three.
cdef int MAX_DEPTH = 100
cdef int VALUE_DEPTH = 7


cdef inline int rewind_if_failed(ns_buf *buf, ns_savepoint before, EncodeCounts *counts) noexcept:
    """Removes a field that did not fit, and counts it. 1 if removed."""
    if not buf.failed:
        return 0
    ns_buf_rewind(buf, before)
    counts.lost += 1
    return 1


cdef inline int lost_if_failed(ns_buf *buf, bint failed_before, EncodeCounts *counts) noexcept:
    """Counts a field of which nothing was written, because its size was checked first."""
    if buf.failed and not failed_before:
        buf.failed = False
        counts.lost += 1
    return 0


cdef int put_big_int(ns_buf *buf, uint8_t tag, object value, EncodeCounts *counts) except -1:
    # OpenTelemetry's mapping of arbitrary data to AnyValue: integers of more than 64 bits become decimal strings.
    cdef str digits = int.__repr__(value)
    cdef ns_text text = nspy_text(digits)
    ns_otlp_value_text(buf, tag, &text)
    counts.repaired += 1
    return 0


cdef int put_sequence(ns_buf *buf, uint8_t tag, object values, int depth, EncodeCounts *counts) except -1:
    cdef ns_container container
    cdef ns_savepoint before
    cdef Py_ssize_t index = 0
    cdef bint written
    if depth + 2 > MAX_DEPTH:
        raise ValueError("nested too deeply for OTLP receivers")
    if type(values) is not tuple and type(values) is not list:
        values = list(values)
    container = ns_otlp_array_open(buf, tag)
    # By index: Python code of a value may change the list.
    while index < len(values):
        before = ns_buf_save(buf)
        try:
            put_value(buf, NS_TAG_ARRAY_VALUE, values[index], depth + 2, counts)
            written = True
        except Exception as error:
            leave_out(error, counts)
            written = False
        if not written:
            ns_buf_rewind(buf, before)
            put_empty(buf, NS_TAG_ARRAY_VALUE)
        index += 1
    ns_otlp_container_close(buf, container)
    return 0


cdef int put_mapping(ns_buf *buf, uint8_t tag, object values, int depth, EncodeCounts *counts) except -1:
    cdef ns_container container
    if depth + 3 > MAX_DEPTH:
        raise ValueError("nested too deeply for OTLP receivers")
    container = ns_otlp_kvlist_open(buf, tag)
    for pair in values.items():
        try:
            key, value = pair
            if type(key) is not str:
                key = str(key)
        except Exception as error:
            leave_out(error, counts)
            continue
        put_pair(buf, NS_TAG_KVLIST_VALUE, key, value, depth + 3, counts)
    ns_otlp_container_close(buf, container)
    return 0


cdef inline int put_empty(ns_buf *buf, uint8_t tag) noexcept:
    cdef ns_scalar scalar = ns_scalar_empty()
    ns_otlp_value_scalar(buf, tag, &scalar)
    return 0


cdef int put_value(ns_buf *buf, uint8_t tag, object value, int depth, EncodeCounts *counts) except -1:
    """Writes one AnyValue as the field `tag` of its parent. Raises if OTLP has no kind for the value."""
    cdef ns_scalar scalar
    cdef ns_text text
    cdef int overflow = 0
    cdef int64_t number
    if value is None:
        put_empty(buf, tag)
    elif isinstance(value, bool):
        scalar = ns_scalar_bool(value is True)
        ns_otlp_value_scalar(buf, tag, &scalar)
    elif isinstance(value, str):
        text = nspy_text(value)
        counts.repaired += ns_otlp_value_text(buf, tag, &text)
    elif isinstance(value, int):
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow:
            put_big_int(buf, tag, value, counts)
        else:
            scalar = ns_scalar_int(number)
            ns_otlp_value_scalar(buf, tag, &scalar)
    elif isinstance(value, float):
        scalar = ns_scalar_double(PyFloat_AS_DOUBLE(value))
        ns_otlp_value_scalar(buf, tag, &scalar)
    elif isinstance(value, bytes):
        ns_otlp_value_bytes(buf, tag, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
    elif isinstance(value, (tuple, list)):
        put_sequence(buf, tag, value, depth, counts)
    elif isinstance(value, dict):
        put_mapping(buf, tag, value, depth, counts)
    # An abstract class is asked last: that runs Python code, which the recursion limit ends.
    elif isinstance(value, Sequence):
        put_sequence(buf, tag, value, depth, counts)
    elif isinstance(value, Mapping):
        put_mapping(buf, tag, value, depth, counts)
    else:
        raise TypeError(f"{type(value)!r} is no attribute value")
    return 0


cdef int put_pair_slowly(ns_buf *buf, uint8_t tag, object key, object value, int depth,
                         EncodeCounts *counts) except -1:
    cdef ns_text key_text
    cdef ns_mark pair
    cdef size_t replaced = 0
    if isinstance(key, bytes):
        key = text_of_bytes(<bytes> key, counts)
    elif not isinstance(key, str):
        raise TypeError(f"{type(key)!r} is no attribute key")
    key_text = nspy_text(key)
    pair = ns_otlp_key_value_open(buf, tag, &key_text, &replaced)
    put_value(buf, NS_TAG_KEY_VALUE_VALUE, value, depth, counts)
    ns_otlp_close(buf, pair)
    counts.repaired += replaced
    return 0


cdef int put_pair(ns_buf *buf, uint8_t tag, object key, object value, int depth, EncodeCounts *counts) except -1:
    """Writes one KeyValue as the field `tag` of its parent, or leaves it out and counts it.

    The four most common types take a fast path: their size is known before they are written."""
    cdef ns_savepoint before
    cdef ns_text key_text, text
    cdef ns_scalar scalar
    cdef int overflow = 0
    cdef int64_t number
    cdef bint failed = buf.failed
    cdef bint written = True
    if type(key) is str:
        key_text = nspy_text(key)
        if type(value) is str:
            text = nspy_text(value)
            counts.repaired += ns_otlp_key_value_text(buf, tag, &key_text, &text)
            return lost_if_failed(buf, failed, counts)
        if type(value) is int:
            number = PyLong_AsLongLongAndOverflow(value, &overflow)
            if not overflow:
                scalar = ns_scalar_int(number)
                counts.repaired += ns_otlp_key_value_scalar(buf, tag, &key_text, &scalar)
                return lost_if_failed(buf, failed, counts)
        elif type(value) is float:
            scalar = ns_scalar_double(PyFloat_AS_DOUBLE(value))
            counts.repaired += ns_otlp_key_value_scalar(buf, tag, &key_text, &scalar)
            return lost_if_failed(buf, failed, counts)
        elif type(value) is bool:
            scalar = ns_scalar_bool(value is True)
            counts.repaired += ns_otlp_key_value_scalar(buf, tag, &key_text, &scalar)
            return lost_if_failed(buf, failed, counts)
    before = ns_buf_save(buf)
    try:
        put_pair_slowly(buf, tag, key, value, depth, counts)
    except Exception as error:
        leave_out(error, counts)
        written = False
    if not written:
        ns_buf_rewind(buf, before)
        return 0
    rewind_if_failed(buf, before, counts)
    return 0


cdef int put_pairs(ns_buf *buf, uint8_t tag, object attributes, EncodeCounts *counts) except -1:
    """The attributes of a span, event, link, resource or scope."""
    cdef PyObject *key
    cdef PyObject *value
    cdef Py_ssize_t position = 0
    cdef Py_ssize_t size
    if attributes is None:
        return 0
    try:
        if type(attributes) is exact_attributes:
            attributes = field(attributes, BOUNDED_ATTRIBUTES_DICT)
        if type(attributes) is dict:
            if FREE:
                attributes = (<dict> attributes).copy()  # other threads may be changing it
            size = PyDict_Size(attributes)
            while PyDict_Next(attributes, &position, &key, &value):
                # New references: Python code of the value may remove the pair from the dict.
                name = <object> key
                content = <object> value
                put_pair(buf, tag, name, content, VALUE_DEPTH, counts)
                if PyDict_Size(attributes) != size:
                    raise RuntimeError("attributes changed while they were read")
        elif attributes:
            for pair in attributes.items():
                put_foreign_pair(buf, tag, pair, counts)
    except Exception as error:
        # Not a mapping, or changed while it was read: pairs already written stay.
        leave_out(error, counts)
    return 0


cdef int put_foreign_pair(ns_buf *buf, uint8_t tag, object pair, EncodeCounts *counts) except -1:
    """One item of a mapping of any type."""
    try:
        key, value = pair
    except Exception as error:
        leave_out(error, counts)
        return 0
    return put_pair(buf, tag, key, value, VALUE_DEPTH, counts)
