# Attributes, events, links and status of a native span; included by span.pxi.

# The calls that the log names, and what it calls the data, by `Write`.
cdef tuple CALLS = (None, None, "_add_event", "_add_link", "set_status")
cdef tuple PARTS = ("An attribute", "A mapping", "An event", "A link", "The status")

cdef class SpanContent(SpanFields):
    """The methods that change a recording span."""

    # --- attributes ---------------------------------------------------------------------------------------------------

    @cython.critical_section
    def set_attribute(self, key, value):
        """Set one attribute: a non-empty str key, and a value that OpenTelemetry allows (others are converted to str).

        A value that cannot be read is left out and counted as a dropped attribute.
        """
        cdef uint64_t began = ns_clock_monotonic() if load_u32(&self.cost) else 0
        if may_change(self):
            self.put(key, value)
        else:
            logger.warning(SETTING_ON_ENDED)
        if began:
            add_u32(&self.cost, <uint32_t> (ns_clock_monotonic() - began) + ns_cost_meter_call(process_meter()))

    @cython.critical_section
    def set_attributes(self, attributes):
        """Set several attributes from a mapping."""
        cdef uint64_t began = ns_clock_monotonic() if load_u32(&self.cost) else 0
        if may_change(self):
            self.put_all(attributes)
        else:
            logger.warning(SETTING_ON_ENDED)
        if began:
            add_u32(&self.cost, <uint32_t> (ns_clock_monotonic() - began) + ns_cost_meter_call(process_meter()))

    cdef int put(self, object key, object value) except -1:
        """Without Python code as long as pairs and plain values do."""
        cdef object clean_value = value
        if self.has_container or not is_plain_key(key):
            return self.write(ATTRIBUTE, key, value)
        if type(value) is not str or self.shared.max_value_length >= 0:
            clean_value = clean_without_python(value, self.shared.max_value_length)
            # The new tuple may have started the garbage collector, and so other code.
            if clean_value is LOST or not may_change(self):
                return self.write(ATTRIBUTE, key, value)
        if not self.insert(key, clean_value):
            return self.write(ATTRIBUTE, key, value)
        return 0

    cdef int put_all(self, object attributes) except -1:
        cdef PyObject *key
        cdef PyObject *value
        cdef Py_ssize_t position = 0
        cdef uint32_t size
        if type(attributes) is MappingProxyType:  # a SamplingResult's
            attributes = dict_of(attributes)
        if type(attributes) is not dict or self.has_container:
            return self.write(ATTRIBUTES, attributes, None)
        if FREE:
            attributes = (<dict> attributes).copy()  # other threads cannot change the copy
        if not (self.has_room(PyDict_Size(attributes)) and has_plain_keys(attributes)
                and is_clean(attributes, self.shared.max_value_length)):
            return self.write(ATTRIBUTES, attributes, None)
        # From here on no Python code runs.
        size = <uint32_t> PyDict_Size(attributes)
        if self.pair_count + size > self.pair_capacity and not grow_pairs(
                &self.pairs, &self.pair_capacity, self.pair_count + size):
            return self.write(ATTRIBUTES, attributes, None)
        if self.pair_count:
            while PyDict_Next(attributes, &position, &key, &value):
                self.insert(<object> key, <object> value)
            return 0
        while PyDict_Next(attributes, &position, &key, &value):
            # Append without a search: the keys of a dict are distinct.
            self.append(<object> key, <object> value, nspy_hash(<object> key))
        return 0

    cdef inline bint has_room(self, Py_ssize_t more) noexcept:
        """Whether the pairs have room for this number of new attributes."""
        more += self.pair_count
        return more <= MAX_PAIRS and not 0 <= self.shared.max_attributes < more

    cdef bint insert(self, object key, object value) noexcept:
        """Sets a clean value under a plain key in the pairs. An existing key moves to the end, as in the SDK. Runs no Python
        code. False if the attribute belongs into a container, or memory is short."""
        cdef Py_hash_t hash = nspy_hash(key)
        cdef uint32_t i
        cdef AttributePair old
        if self.has_container:
            return False
        for i in range(self.pair_count):
            if same_key(&self.pairs[i], key, hash):
                old = self.pairs[i]
                self.pair_count -= 1
                memmove(&self.pairs[i], &self.pairs[i + 1], (self.pair_count - i) * sizeof(AttributePair))
                self.append(key, value, hash)  # cannot fail: one pair was just removed
                Py_DECREF(<object> old.key)
                Py_DECREF(<object> old.value)
                return True
        if self.pair_count == self.shared.max_attributes or self.pair_count == MAX_PAIRS:
            return False
        return self.append(key, value, hash)

    cdef inline bint append(self, object key, object value, Py_hash_t hash) noexcept:
        """False without memory."""
        cdef AttributePair *pair
        if self.pair_count == self.pair_capacity and not grow_pairs(&self.pairs, &self.pair_capacity, INITIAL_CAPACITY):
            return False
        Py_INCREF(key)
        Py_INCREF(value)
        pair = &self.pairs[self.pair_count]
        pair.hash = hash
        pair.key = <PyObject *> key
        pair.value = <PyObject *> value
        self.pair_count += 1
        return True

    # --- attributes that need Python code --------------------------------------------------------------------------------

    cdef int write(self, Write kind, object first, object second) except -1:
        """A write that may run Python code, with the span taken. What raises, or comes too late, is left out."""
        cdef Turn turn = begin_write(self)
        if turn == REFUSED:
            if kind == ATTRIBUTE or kind == ATTRIBUTES:
                logger.warning(SETTING_ON_ENDED)
            else:
                logger.warning(CALLED_ON_ENDED, CALLS[kind])
            return 0
        try:
            if kind == ATTRIBUTE:
                self.put_item(first, second)
            elif kind == ATTRIBUTES:
                self.put_items(first)
            elif kind == STATUS:
                self.put_status(first, second)
            else:
                container = self.event_container() if kind == EVENT else self.link_container()
                if may_change(self):
                    container.append(first)
        except Exception as error:
            if kind == ATTRIBUTE:
                report_lost(first, error)
            else:
                report_left_out(PARTS[kind], error)
        finally:
            end_write(self, turn)
        return 0

    cdef int check_mutable(self) except -1:
        """Raises if the attributes were assigned as immutable, or the span was opened again through _end_time."""
        if (self.has_container and type(self.cold_fields.attributes) is BoundedAttributes
                and getattr(self.cold_fields.attributes, BOUNDED_ATTRIBUTES_IMMUTABLE)):
            raise TypeError("the attributes of the span are immutable")
        return 0

    cdef int put_item(self, object key, object value) except -1:
        self.check_mutable()
        if self.shared.max_attributes == 0:
            return self.count_dropped(1)
        if not is_plain_key(key):
            # The SDK's container knows what becomes of it.
            attributes = self.container()
            if may_change(self):
                attributes[key] = value
            return 0
        value = clean_or_lost(key, value, number_of_limit(self.value_limit()))
        if value is LOST:
            return self.count_dropped(1)
        if value is LEFT_OUT:
            return 0
        return self.put_clean(key, value)

    cdef int put_items(self, object attributes) except -1:
        cdef uint32_t dropped = 0
        self.check_mutable()
        if self.shared.max_attributes == 0:
            return self.count_dropped(len(read_items(attributes, &dropped)) + dropped)
        # Clean all before setting any: cleaning may set attributes itself.
        cleaned = clean_items_of(attributes, self.value_limit(), &dropped)
        if dropped:
            self.count_dropped(dropped)
        for key, value in cleaned:
            self.put_clean(key, value)
        return 0

    cdef int put_clean(self, object key, object value) except -1:
        """Sets a clean value under any valid key."""
        if not may_change(self):  # cleaning may have run code that ended the span
            logger.warning(SETTING_ON_ENDED)
            return 0
        if not self.has_container and is_plain_key(key) and may_be_kept(value) and self.insert(key, value):
            return 0
        attributes = self.container()
        if not may_change(self):
            logger.warning(SETTING_ON_ENDED)
        elif type(attributes) is not BoundedAttributes:
            attributes[key] = value
        else:
            self.check_mutable()
            set_in_container(attributes, key, value)
        return 0

    cdef int count_dropped(self, Py_ssize_t number) except -1:
        attributes = self.container()
        if may_change(self) and type(attributes) is BoundedAttributes:
            attributes.dropped += number
        return 0

    cdef object value_limit(self):
        if self.has_container and type(self.cold_fields.attributes) is BoundedAttributes:
            return self.cold_fields.attributes.max_value_len
        return as_limit(self.shared.max_value_length)

    # --- events -------------------------------------------------------------------------------------------------------

    @cython.critical_section
    def add_event(self, name, attributes=None, timestamp=None):
        """Add an event. ``timestamp``: nanoseconds since the epoch; now if None."""
        cdef NativeEvent event
        limits = self.shared.limits
        if limits is None:
            sdk_span.add_event(self, name, attributes, timestamp)
            return
        event = NativeEvent.__new__(NativeEvent)
        event.name = name
        event.attributes = {} if attributes is None or is_empty(attributes) else clean_mapping(
            attributes, limits.max_event_attributes, limits.max_attribute_length, &event.dropped_attributes)
        if timestamp is not None:
            event.timestamp = timestamp
        elif load_flag(&python_clock):
            event.timestamp = clock.time_ns()
        else:
            event.timestamp = PyLong_FromUnsignedLongLong(ns_clock_wall())
        max_events = limits.max_events
        if self.has_event_container or not may_change(self) or (max_events is not None and self.event_count() >= max_events):
            self.write(EVENT, event.as_sdk_event(limits), None)
            return
        if self.cold().events is None:
            self.cold_fields.events = []
        (<list> self.cold_fields.events).append(event)

    cdef Py_ssize_t event_count(self) except -1:
        """Of the native list."""
        return 0 if self.cold_fields is None or self.cold_fields.events is None else len(<list> self.cold_fields.events)

    @cython.critical_section
    def _add_event(self, event):
        self.write(EVENT, event, None)

    # --- links ----------------------------------------------------------------------------------------------------------

    def add_link(self, context, attributes=None):
        """Add a link to the span of ``context``."""
        cdef uint32_t dropped = 0
        try:
            sdk_span.add_link(self, context, attributes)
        except Exception as error:
            # The link without the attributes that cannot be read.
            report_left_out("An attribute of a link", error)
            try:
                limits = (<SpanShared> shared_of(self)).limits
                sdk_span.add_link(self, context, clean_mapping(
                    attributes, limits.max_link_attributes, limits.max_attribute_length, &dropped))
            except Exception as second:
                report_left_out(PARTS[LINK], second)

    @cython.critical_section
    def _add_link(self, link):
        self.write(LINK, link, None)

    cdef int set_links(self, object links) except -1:
        """The links of a span that starts."""
        try:
            if not self.keep_links(links):
                self._links = self._new_links(links)
            return 0
        except Exception as error:
            report_left_out(PARTS[LINK], error)
        # One at a time, so that a link that cannot be read costs no other.
        try:
            links = list(links)
        except Exception as error:
            report_left_out(PARTS[LINK], error)
            return 0
        for link in links:
            try:
                if link is not None:
                    self.add_link(link.context, link.attributes)
            except Exception as error:
                report_left_out(PARTS[LINK], error)
        return 0

    cdef bint keep_links(self, object links) except -1:
        """Keeps the links as numbers and references until they are read; False if the SDK's code is to take them."""
        cdef NativeLink made
        cdef list kept
        limits = self.shared.limits
        if (not link_is_plain() or not context_is_tuple() or limits is None
                or (type(links) is not list and type(links) is not tuple)):
            return False
        max_links = limits.max_links
        if max_links is not None and len(links) > max_links:
            return False
        max_attributes, max_length = limits.max_link_attributes, limits.max_attribute_length
        kept = []
        for link in tuple(links):
            made = native_link(link, max_attributes, max_length)
            if made is None:
                return False
            kept.append(made)
        self.cold().links = kept
        return True

    # --- status ---------------------------------------------------------------------------------------------------------

    cdef int put_status(self, object status, object description) except -1:
        current = self.own_status()
        if isinstance(status, status_type):
            code = status.status_code
        elif isinstance(status, status_code_type):
            code = status
        else:
            return 0
        if (current and current.status_code is OK) or code is UNSET:
            return 0
        if status is code:
            status = status_type(status, description)
        elif description is not None:
            logger.warning(
                "Description %s ignored. Use either `Status` or `(StatusCode, Description)`", description
            )
        if may_change(self):
            self.cold().status = status
        return 0

    # --- exceptions -----------------------------------------------------------------------------------------------------

    def record_exception(self, exception, attributes=None, timestamp=None, escaped=False):
        """Record an exception as an event. What of it cannot be read is left out."""
        try:
            # Looked up on each call: a patch of the SDK's method takes effect here too.
            sdk_span.record_exception(
                self, exception, attributes=attributes, timestamp=timestamp, escaped=escaped)
        except Exception as error:
            report_left_out("A part of an exception", error)
            try:
                self.add_event("exception", described_exception(exception, attributes, escaped), timestamp)
            except Exception as second:
                report_left_out("An exception", second)

    @property
    @cython.critical_section
    def attributes(self):
        """A read-only view of the attributes."""
        attributes = self.container()
        if type(attributes) is not BoundedAttributes:
            return PyDictProxy_New(attributes or {})
        # Read the dict: the truth value of a BoundedAttributes is a Python call.
        items = PyObject_GenericGetAttr(attributes, BOUNDED_ATTRIBUTES_DICT)
        if not items:
            return PyDictProxy_New({})
        # The container of a span that may still change iterates over a copy.
        return PyDictProxy_New(items if is_sealed(self) else attributes)
