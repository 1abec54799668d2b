# Attributes, events and links of a native span; included by span.pyx.

cdef class SpanContent(SpanFields):
    """The methods that change a recording span."""

    # --- attributes ---------------------------------------------------------------------------------------------------

    @cython.critical_section
    def set_attribute(self, key, value):
        """Set one attribute: a non-empty str key, and a value that OpenTelemetry allows (others are converted to str)."""
        cdef uint64_t began = ns_clock_monotonic() if load_u32(&self.cost) else 0
        if self.is_ended():
            logger.warning("Setting attribute on ended span.")
        else:
            self.put(key, value)
        if began:
            add_u32(&self.cost, <uint32_t> (ns_clock_monotonic() - began))

    @cython.critical_section
    def set_attributes(self, attributes):
        """Set several attributes from a mapping."""
        cdef uint64_t began = ns_clock_monotonic() if load_u32(&self.cost) else 0
        if self.is_ended():
            logger.warning("Setting attribute on ended span.")
        else:
            self.put_all(attributes)
        if began:
            add_u32(&self.cost, <uint32_t> (ns_clock_monotonic() - began))

    cdef int put(self, object key, object value) except -1:
        if self.has_container or not is_plain_key(key):
            self.container()[key] = value
            return 0
        if type(value) is not str or self.shared.max_value_length >= 0:
            if not is_plain(value) and not self.has_room(1):
                # The container cleans the value; cleaning it twice would truncate a str that the first pass created.
                self.container()[key] = value
                return 0
            value = clean(value, self.shared.max_value_length)
            if not may_be_kept(value):
                self.container()  # makes `insert` use it
        return self.insert(key, value)

    cdef int put_all(self, object attributes) except -1:
        cdef PyObject *key
        cdef PyObject *value
        cdef Py_ssize_t position = 0
        cdef Py_ssize_t size
        cdef bint may_be_pairs = True
        cdef bint is_plain_dict = type(attributes) is dict and not self.has_container
        if is_plain_dict:
            if FREE:
                attributes = (<dict> attributes).copy()  # other threads cannot change the copy
            size = PyDict_Size(attributes)
            is_plain_dict = self.has_room(size)
            while is_plain_dict and PyDict_Next(attributes, &position, &key, NULL):
                is_plain_dict = is_plain_key(<object> key)
        if not is_plain_dict:
            self.container()._set_items(attributes)
            return 0
        # Clean all before setting any: cleaning may raise, and may set attributes itself.
        attributes = clean_all(attributes, self.shared.max_value_length, &may_be_pairs)
        if not may_be_pairs:
            self.container()
        if self.has_container or self.pair_count or self.is_ended():
            for name, content in (<dict> attributes).items():
                self.insert(name, content)
            return 0
        if size > self.pair_capacity:
            self.pairs = grow_pairs(self.pairs, &self.pair_capacity, <uint32_t> size)
        position = 0
        while PyDict_Next(attributes, &position, &key, &value):
            # Append without a search: the keys of a dict are distinct.
            self.append(<object> key, <object> value, nspy_hash(<object> key))
        return 0

    cdef inline bint has_room(self, Py_ssize_t more) noexcept:
        """Whether the pairs have room for this number of new attributes."""
        more += self.pair_count
        return more <= MAX_PAIRS and not 0 <= self.shared.max_attributes < more

    cdef int insert(self, object key, object value) except -1:
        """Sets a cleaned value under a plain key. An existing key moves to the end, as in the SDK."""
        cdef Py_hash_t hash = nspy_hash(key)
        cdef uint32_t i
        cdef AttributePair old
        if self.has_container or self.is_ended():
            # Check again: cleaning may have run Python code or other threads.
            if not self.is_ended():
                self.cold_fields.attributes[key] = value
            return 0
        for i in range(self.pair_count):
            if same_key(&self.pairs[i], key, hash):
                old = self.pairs[i]
                self.pair_count -= 1
                memmove(&self.pairs[i], &self.pairs[i + 1], (self.pair_count - i) * sizeof(AttributePair))
                self.append(key, value, hash)  # cannot fail: one pair was just removed
                Py_DECREF(<object> old.key)
                Py_DECREF(<object> old.value)
                return 0
        if self.pair_count == self.shared.max_attributes or self.pair_count == MAX_PAIRS:
            self.container()[key] = value
            return 0
        return self.append(key, value, hash)

    cdef inline int append(self, object key, object value, Py_hash_t hash) except -1:
        cdef AttributePair *pair
        if self.pair_count == self.pair_capacity:
            self.pairs = grow_pairs(self.pairs, &self.pair_capacity, INITIAL_CAPACITY)
        Py_INCREF(key)
        Py_INCREF(value)
        pair = &self.pairs[self.pair_count]
        pair.hash = hash
        pair.key = <PyObject *> key
        pair.value = <PyObject *> value
        self.pair_count += 1
        return 0

    # --- events -------------------------------------------------------------------------------------------------------

    @cython.critical_section
    def add_event(self, name, attributes=None, timestamp=None):
        """Add an event. ``timestamp``: nanoseconds since the epoch; now if None."""
        cdef NativeEvent event
        cdef dict cleaned = None
        limits = self.shared.limits
        if not self.has_event_container and not self.is_ended() and limits is not None:
            cleaned = self.event_attributes(attributes, limits)
        if cleaned is None:
            sdk_span.add_event(self, name, attributes, timestamp)
            return
        event = NativeEvent.__new__(NativeEvent)
        event.name = name
        event.timestamp = PyLong_FromUnsignedLongLong(ns_clock_wall()) if timestamp is None else timestamp
        event.attributes = cleaned
        # Check again: cleaning may have run Python code or other threads.
        if self.has_event_container or self.is_ended() or self.has_all_events(limits):
            self._add_event(event.as_sdk_event(limits))
        elif self.cold().events is None:
            self.cold_fields.events = [event]
        else:
            (<list> self.cold_fields.events).append(event)

    cdef bint has_all_events(self, object limits) except -1:
        """Whether the native list of events is full."""
        if limits.max_events is None:
            return False
        cdef Py_ssize_t max_events = limits.max_events
        return max_events <= (
            0 if self.cold_fields is None or self.cold_fields.events is None else len(<list> self.cold_fields.events))

    cdef dict event_attributes(self, object attributes, object limits):
        """The cleaned attributes of an event; None if it needs the SDK's own code."""
        cdef dict cleaned = {}
        cdef Py_ssize_t max_attributes, max_length
        if self.has_all_events(limits):
            return None
        if attributes is None:
            return cleaned
        max_attributes = -1 if limits.max_event_attributes is None else limits.max_event_attributes
        if type(attributes) is not dict or 0 <= max_attributes < len(<dict> attributes):
            return None
        max_length = -1 if limits.max_attribute_length is None else limits.max_attribute_length
        if FREE:
            attributes = (<dict> attributes).copy()
        for key, value in (<dict> attributes).items():
            if not is_plain_key(key):
                return None
            if type(value) is not str or max_length >= 0:
                value = clean(value, max_length)
            cleaned[key] = value
        return cleaned

    @cython.critical_section
    def _add_event(self, event):
        if self.is_ended():
            logger.warning("Tried calling %s on an ended span.", "_add_event")
        else:
            self.event_container().append(event)

    @cython.critical_section
    def _add_link(self, link):
        if self.is_ended():
            logger.warning("Tried calling %s on an ended span.", "_add_link")
        else:
            self.link_container().append(link)

    @property
    @cython.critical_section
    def attributes(self):
        """A read-only view of the attributes."""
        attributes = self.container()
        if type(attributes) is BoundedAttributes:
            # Read the dict: the truth value of a BoundedAttributes is a Python call.
            return PyDictProxy_New(attributes if PyObject_GenericGetAttr(attributes, BOUNDED_ATTRIBUTES_DICT) else {})
        return PyDictProxy_New(attributes or {})
