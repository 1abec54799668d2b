# The attributes of a native span; included by span.pyx.
#
# Values of plain types are immutable and stored by reference. Lists and tuples of plain values become tuples. The SDK's own
# function cleans all other values, and its own container handles unusual cases.

cdef enum:
    INITIAL_CAPACITY = 8
    MAX_KEPT_CAPACITY = 32  # of a span in the free list
    # The pairs are searched linearly; with more of them the SDK's container, a dict, is faster.
    MAX_PAIRS = 192


cdef inline bint is_plain(object value) noexcept:
    """Whether cleaning never changes a value of this type."""
    return (type(value) is int or value is None or type(value) is bool or type(value) is float or type(value) is bytes)


cdef inline bint is_plain_key(object key) noexcept:
    return type(key) is str and PyUnicode_GET_LENGTH(key) > 0


cdef inline bint may_be_kept(object value) except -1:
    """Whether a cleaned value cannot refer back to its span: the garbage collector does not traverse the pairs."""
    return (type(value) is str or is_plain(value) or type(value) is tuple or type(value) is dict
            or isinstance(value, Enum))


cdef object clean_items(object values, Py_ssize_t max_length):
    """A list or tuple as a tuple, or None if its items need the SDK's cleaning."""
    if FREE:
        values = tuple(values)  # other threads cannot change the copy
    for value in values:
        if not is_plain(value) and (type(value) is not str or 0 <= max_length < PyUnicode_GET_LENGTH(value)):
            return None
    return tuple(values)


cdef object clean(object value, Py_ssize_t max_length):
    """The value as the SDK stores it; `max_length` of strings, -1: no limit. May run Python code."""
    if type(value) is str:
        if 0 <= max_length < PyUnicode_GET_LENGTH(value):
            return clean_attribute_value(value, max_length)
        return value
    if is_plain(value):
        return value
    if type(value) is list or type(value) is tuple:
        cleaned = clean_items(value, max_length)
        if cleaned is not None:
            return cleaned
    return clean_attribute_value(value, None if max_length < 0 else max_length)


cdef dict clean_all(dict attributes, Py_ssize_t max_length, bint *plain):
    """The dict itself if its values are clean, else a new one. Sets `plain` to whether its values may be stored as pairs."""
    cdef PyObject *key
    cdef PyObject *value
    cdef Py_ssize_t position = 0
    cdef bint is_clean = True
    plain[0] = True
    while is_clean and PyDict_Next(attributes, &position, &key, &value):
        is_clean = is_plain(<object> value) or (
            type(<object> value) is str and not 0 <= max_length < PyUnicode_GET_LENGTH(<object> value))
    if is_clean:
        return attributes
    cdef dict cleaned = {}
    # Iterate over a copy: cleaning may run code that changes the dict.
    for name, content in attributes.copy().items():
        content = clean(content, max_length)
        plain[0] = plain[0] and may_be_kept(content)
        cleaned[name] = content
    return cleaned


cdef object bounded_attributes(dict items, object max_items, object max_length):
    """The SDK's container around attributes that are already clean."""
    made = BoundedAttributes(max_items, None, False, max_length)
    setattr(made, BOUNDED_ATTRIBUTES_DICT, items)
    return made


cdef inline object as_limit(Py_ssize_t limit):
    return None if limit < 0 else limit


cdef inline bint same_key(const AttributePair *pair, object key, Py_hash_t hash) noexcept:
    return pair.hash == hash and (pair.key == <PyObject *> key or PyUnicode_Compare(<object> pair.key, key) == 0)


cdef AttributePair *grow_pairs(AttributePair *pairs, uint32_t *capacity, uint32_t needed) except NULL:
    cdef uint32_t larger = max(needed, 2 * capacity[0])
    cdef void *moved = PyMem_Realloc(pairs, larger * sizeof(AttributePair))
    if moved is NULL:
        raise MemoryError
    capacity[0] = larger
    return <AttributePair *> moved


cdef void release_pairs(AttributePair *pairs, uint32_t count) noexcept:
    cdef uint32_t i
    for i in range(count):
        Py_DECREF(<object> pairs[i].key)
        Py_DECREF(<object> pairs[i].value)
