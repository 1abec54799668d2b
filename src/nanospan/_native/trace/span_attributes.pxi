# The attributes of a native span; included by span.pxi.
#
# Values of plain types are immutable and stored by reference. Lists and tuples of plain values become tuples. The SDK's own
# function cleans all other values, and its own container handles unusual cases. Before 1.45 the SDK stores no None, no bytes
# (it decodes them) and no list of mixed types, and leaves an attribute with another value out.

cdef enum:
    INITIAL_CAPACITY = 8
    MAX_KEPT_CAPACITY = 32  # of a span in the free list
    # The pairs are searched linearly; with more of them the SDK's container, a dict, is faster.
    MAX_PAIRS = 192

cdef object LOST = object()  # in place of a value that cannot be read
cdef object LEFT_OUT = private.LEFT_OUT  # of a value that the release of the SDK does not store
cdef bint stores_any_value = private.STORES_ANY_VALUE
cdef object lost_log = WindowedLog(logging.getLogger("nanospan"))


cdef inline bint is_plain(object value) noexcept:
    """Whether cleaning never changes a value of this type."""
    if type(value) is int or type(value) is bool or type(value) is float:
        return True
    return stores_any_value and (value is None or type(value) is bytes)


cdef inline bint is_plain_key(object key) noexcept:
    return type(key) is str and PyUnicode_GET_LENGTH(key) > 0


cdef inline bint may_be_kept(object value) except -1:
    """Whether a cleaned value cannot refer back to its span: the garbage collector does not traverse the pairs."""
    if type(value) is str or is_plain(value):
        return True
    if type(value) is tuple:
        for item in <tuple> value:
            if not is_plain(item) and type(item) is not str:
                return False
        return True
    if type(value) is dict:
        return has_plain_keys(<dict> value) and is_clean(<dict> value, -1)
    return isinstance(value, Enum)


cdef object clean_items(object values, Py_ssize_t max_length):
    """A list or tuple as a tuple, or None if its items need the SDK's cleaning."""
    if FREE:
        values = tuple(values)  # other threads cannot change the copy
    cdef PyTypeObject *of_all = NULL
    for value in values:
        if not is_plain(value) and (type(value) is not str or 0 <= max_length < PyUnicode_GET_LENGTH(value)):
            return None
        if not stores_any_value:
            if of_all is not NULL and of_all is not Py_TYPE(value):
                return None
            of_all = Py_TYPE(value)
    return tuple(values)


cdef object clean_without_python(object value, Py_ssize_t max_length):
    """The value as the SDK stores it; `max_length` of strings, -1: no limit. LOST if that needs the SDK's Python code."""
    if type(value) is str:
        return LOST if 0 <= max_length < PyUnicode_GET_LENGTH(value) else value
    if is_plain(value):
        return value
    if type(value) is list or type(value) is tuple:
        cleaned = clean_items(value, max_length)
        if cleaned is not None:
            return cleaned
    return LOST


cdef object clean(object key, object value, Py_ssize_t max_length):
    """As above, by the SDK's function where it is needed; it may be LEFT_OUT. May run Python code, which may raise."""
    cleaned = clean_without_python(value, max_length)
    if cleaned is not LOST:
        return cleaned
    if stores_any_value:
        return clean_attribute_value(value, as_limit(max_length))
    return clean_attribute_value(key, value, as_limit(max_length))


cdef object clean_or_lost(object key, object value, Py_ssize_t max_length):
    """The value as the SDK stores it, or LEFT_OUT; LOST, with a line in the log, if reading it raises an Exception."""
    try:
        return clean(key, value, max_length)
    except Exception as error:
        report_lost(key, error)
        return LOST


cdef int report_lost(object key, object error) except -1:
    """`report_left_out` of an attribute."""
    try:
        report_left_out(f"The attribute {one_line(key) if isinstance(key, str) else type(key).__name__}", error)
    except Exception:
        pass
    return 0


cdef int report_left_out(str what, object error) except -1:
    """Says once in a window that data which cannot be read is left out. Never raises: the error may be that of the recursion
    limit."""
    try:
        name = type(error).__name__
        lost_log.log(logging.WARNING, name, "%s was left out: reading it raised %s", what, name)
    except Exception:
        pass
    return 0


cdef bint has_plain_keys(dict attributes) noexcept:
    cdef PyObject *key
    cdef Py_ssize_t position = 0
    while PyDict_Next(attributes, &position, &key, NULL):
        if not is_plain_key(<object> key):
            return False
    return True


cdef bint is_clean(dict attributes, Py_ssize_t max_length) noexcept:
    """Whether cleaning would change nothing."""
    cdef PyObject *value
    cdef Py_ssize_t position = 0
    while PyDict_Next(attributes, &position, NULL, &value):
        if not is_plain(<object> value) and (
                type(<object> value) is not str or 0 <= max_length < PyUnicode_GET_LENGTH(<object> value)):
            return False
    return True


cdef bint is_empty(object attributes) except -1:
    if type(attributes) is dict:
        return PyDict_Size(attributes) == 0
    try:
        return not attributes
    except Exception:
        return False


cdef object dict_of(object proxy):
    try:
        return dict(proxy)
    except Exception:
        return proxy


cdef list read_items(object attributes, uint32_t *dropped):
    """The items of a mapping; as many as can be read. Adds 1 to `dropped` if the rest cannot."""
    cdef list items = []
    try:
        if not isinstance(attributes, Mapping):
            raise TypeError(f"attributes must be a mapping, not {type(attributes).__name__}")
        for item in attributes.items():
            items.append(item)
    except Exception as error:
        dropped[0] += 1
        report_left_out("The rest of a mapping" if items else "A mapping", error)
    return items


cdef dict clean_mapping(object attributes, object max_items, object max_length, uint32_t *dropped):
    """The attributes of an event or a link as the SDK stores them. Adds to `dropped` how many are left out."""
    if max_items == 0:
        dropped[0] += <uint32_t> len(read_items(attributes, dropped))
        return {}
    if type(attributes) is dict and (max_items is None or len(<dict> attributes) <= max_items):
        attributes = (<dict> attributes).copy()  # cleaning, and other threads, may change the original
        if has_plain_keys(<dict> attributes):
            if is_clean(<dict> attributes, number_of_limit(max_length)):
                return attributes
            return dict(clean_items_of(attributes, max_length, dropped))
    made = BoundedAttributes(max_items, None, False, max_length)
    for key, value in clean_items_of(attributes, max_length, dropped):
        set_clean_item(made, key, value)
    dropped[0] += <uint32_t> made.dropped
    return <dict?> getattr(made, BOUNDED_ATTRIBUTES_DICT)


cdef list clean_items_of(object attributes, object max_length, uint32_t *dropped):
    """The items of any mapping as the SDK stores them, each cleaned by itself: a value that raises costs no other. Adds to
    `dropped` how many are left out."""
    cdef list cleaned = []
    for item in read_items(attributes, dropped):
        try:
            key, value = item
            if is_plain_key(key):
                made = clean(key, value, number_of_limit(max_length))
                if made is not LEFT_OUT:
                    cleaned.append((key, made))
                continue
            # The SDK knows what becomes of other keys.
            if not stores_any_value:
                made = clean_attribute_value(key, value, max_length)
                if made is not LEFT_OUT:
                    cleaned.append((key, made))
                continue
            made = clean_attribute_value({key: value}, max_length)
            if made:
                cleaned.extend(made.items())
            else:
                dropped[0] += 1
        except Exception as error:
            dropped[0] += 1
            report_lost((<tuple> item)[0] if type(item) is tuple and <tuple> item else item, error)
    return cleaned


cdef object bounded_attributes(dict items, object max_items, object max_length):
    """The SDK's container around attributes that are already clean."""
    made = BoundedAttributes(max_items, None, False, max_length)
    setattr(made, BOUNDED_ATTRIBUTES_DICT, items)
    return made


cdef int set_in_container(object attributes, object key, object value) except -1:
    """Sets a clean value in the SDK's container without cleaning it again. Runs Python code if the container is full."""
    items = PyObject_GenericGetAttr(attributes, BOUNDED_ATTRIBUTES_DICT)
    max_items = PyObject_GenericGetAttr(attributes, "maxlen")
    if max_items == 0:
        attributes.dropped += 1
        return 0
    if not is_plain_key(key) or type(items) is not dict or (max_items is not None and len(<dict> items) >= max_items):
        set_clean_item(attributes, key, value)
        return 0
    if key in <dict> items:
        del (<dict> items)[key]  # an existing key moves to the end
    (<dict> items)[key] = value
    return 0


cdef inline object as_limit(Py_ssize_t limit):
    return None if limit < 0 else limit


cdef inline Py_ssize_t number_of_limit(object limit) except? -1:
    return -1 if limit is None else limit


cdef inline bint same_key(const AttributePair *pair, object key, Py_hash_t hash) noexcept:
    return pair.hash == hash and (pair.key == <PyObject *> key or PyUnicode_Compare(<object> pair.key, key) == 0)


cdef bint grow_pairs(AttributePair **pairs, uint32_t *capacity, uint32_t needed) noexcept:
    """False without memory."""
    cdef uint32_t larger = max(needed, 2 * capacity[0])
    cdef void *moved = PyMem_Realloc(pairs[0], larger * sizeof(AttributePair))
    if moved is NULL:
        return False
    pairs[0] = <AttributePair *> moved
    capacity[0] = larger
    return True


cdef void release_pairs(AttributePair *pairs, uint32_t count) noexcept:
    cdef uint32_t i
    for i in range(count):
        Py_DECREF(<object> pairs[i].key)
        Py_DECREF(<object> pairs[i].value)


# --- exceptions -------------------------------------------------------------------------------------------------------

cdef str UNREADABLE = "<exception str() failed>"  # as Python's own tracebacks say it


cdef str text_of_exception(object exception):
    try:
        return str(exception)
    except Exception:
        return UNREADABLE


cdef str status_text(object exception):
    return f"{type(exception).__name__}: {text_of_exception(exception)}"


cdef dict described_exception(object exception, object attributes, object escaped):
    """The attributes of the event of an exception that the SDK could not read."""
    cdef uint32_t unread = 0
    kind = type(exception)
    cdef dict described = {
        "exception.type": kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}",
        "exception.message": text_of_exception(exception),
    }
    try:
        described["exception.stacktrace"] = "".join(format_exception(exception))
    except Exception as error:
        report_left_out("The stack of an exception", error)
    described["exception.escaped"] = str(bool(escaped))
    if attributes is not None:
        for item in read_items(attributes, &unread):
            try:
                key, value = item
                described[key] = value
            except Exception as error:
                report_left_out("An attribute of an exception", error)
    return described
