# The attributes of a native span; included by span.pyx.
#
# A value of a plain type is kept as it is, by reference: those are immutable. Lists and tuples of plain values become
# tuples. Everything else is cleaned by the SDK's own function, and everything unusual is done by its own container.

cdef enum:
    FIRST_ROOM = 8
    MAX_KEPT_ROOM = 32  # of a span that waits to be used again
    # Keys are looked for one after the other: beyond this many the SDK's container, a dict, is faster.
    MAX_PAIRS = 192


cdef inline bint is_plain(object value) noexcept:
    """Whether cleaning leaves the value as it is, whatever its length."""
    return (type(value) is int or value is None or type(value) is bool or type(value) is float or type(value) is bytes)


cdef inline bint is_plain_key(object key) noexcept:
    return type(key) is str and PyUnicode_GET_LENGTH(key) > 0


cdef inline bint may_be_kept(object value) except -1:
    """Whether a clean value refers to nothing that could refer to its span: the pairs are out of the collector's sight."""
    return (type(value) is str or is_plain(value) or type(value) is tuple or type(value) is dict
            or isinstance(value, Enum))


cdef object clean_items(object values, Py_ssize_t max_length):
    """A list or tuple as a tuple, or None if its items need the SDK's cleaning."""
    if FREE:
        values = tuple(values)  # nobody else's
    for value in values:
        if not is_plain(value) and (type(value) is not str or 0 <= max_length < PyUnicode_GET_LENGTH(value)):
            return None
    return tuple(values)


cdef object clean(object value, Py_ssize_t max_length):
    """What the SDK stores for a value; `max_length` of strings, -1 for no limit. May run Python code."""
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
    """The mapping itself if its values are clean, else a new one; `plain` says whether its values may be kept as pairs."""
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
    # A copy: what cleaning runs may change the mapping, and its keys are looked at once.
    for name, content in attributes.copy().items():
        content = clean(content, max_length)
        plain[0] = plain[0] and may_be_kept(content)
        cleaned[name] = content
    return cleaned


cdef object bounded_attributes(dict items, object max_items, object max_length):
    """The SDK's container around attributes that are clean already."""
    made = BoundedAttributes(max_items, None, False, max_length)
    setattr(made, BOUNDED_ATTRIBUTES_DICT, items)
    return made


cdef inline object as_limit(Py_ssize_t limit):
    return None if limit < 0 else limit


cdef inline bint same_key(const AttributePair *pair, object key, Py_hash_t hash) noexcept:
    return pair.hash == hash and (pair.key == <PyObject *> key or PyUnicode_Compare(<object> pair.key, key) == 0)


cdef AttributePair *more_pairs(AttributePair *pairs, uint32_t *room, uint32_t wanted) except NULL:
    cdef uint32_t larger = max(wanted, 2 * room[0])
    cdef void *moved = PyMem_Realloc(pairs, larger * sizeof(AttributePair))
    if moved is NULL:
        raise MemoryError
    room[0] = larger
    return <AttributePair *> moved


cdef void release_pairs(AttributePair *pairs, uint32_t count) noexcept:
    cdef uint32_t i
    for i in range(count):
        Py_DECREF(<object> pairs[i].key)
        Py_DECREF(<object> pairs[i].value)
