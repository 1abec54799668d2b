# The fields of a span, as properties with the private names of the SDK, which the SDK and other libraries read and assign;
# included by span.pxi.

cdef extern from *:
    """
    #include "base/threads.h"
    #define nspy_shared_of(span)         ((PyObject *)NSPY_LOAD_ACQUIRE((span)->shared))
    #define nspy_set_shared(span, value) NSPY_REPLACE((span)->shared, value)
    """
    PyObject *shared_of "nspy_shared_of"(SpanFields span)
    PyObject *set_shared "nspy_set_shared"(SpanFields span, SpanShared shared)
    TimeState load_time_state "nspy_load"(const TimeState *state) nogil
    void store_time_state "nspy_store"(TimeState *state, TimeState value) nogil


cdef inline PyObject *processors_of(PyObject *shared) noexcept:
    return <PyObject *> (<SpanShared> shared).processors


cdef inline object number_or_none(TimeState state, uint64_t number):
    return PyLong_FromUnsignedLongLong(number) if state == TIME_NUMBER else None


cdef class SpanFields(NativeSpanBase):
    """The fields of a native span."""

    def __cinit__(self):
        self.shared = nothing_shared

    def __dealloc__(self):
        if self.pairs is not NULL:
            release_pairs(self.pairs, self.pair_count)
            PyMem_Free(self.pairs)

    cdef bint forget(self) except -1:
        if not NativeSpanBase.forget(self):
            return False
        self.name = None
        if self.kind is not internal:
            self.kind = internal
        self.shared = nothing_shared
        if self.cold_fields is not None:
            self.cold_fields = None
        if self.parent_cell is not None:
            self.parent_cell = None
        self.has_parent = self.parent_as_numbers = False
        self.cost = 0
        self.has_container = self.has_event_container = self.has_link_container = False
        self.start_state = self.end_state = NO_TIME
        cdef uint32_t count = self.pair_count
        self.pair_count = 0
        if self.pairs is not NULL:
            release_pairs(self.pairs, count)
            if self.pair_capacity > MAX_KEPT_CAPACITY:
                PyMem_Free(self.pairs)
                self.pairs = NULL
                self.pair_capacity = 0
        return True

    cdef SpanColdFields cold(self):
        if self.cold_fields is None:
            self.cold_fields = SpanColdFields.__new__(SpanColdFields)
        return self.cold_fields

    cdef int replace_shared(self, SpanShared shared) except -1:
        cold_fields = self.cold()
        if cold_fields.kept_alive_shared is None:
            cold_fields.kept_alive_shared = []
        cold_fields.kept_alive_shared.append(self.shared)
        owned = <object> set_shared(self, shared)
        Py_DECREF(owned)
        return 0

    cdef object own_status(self):
        return unset_status if self.cold_fields is None or self.cold_fields.status is None else self.cold_fields.status

    cdef bint is_ended(self) noexcept nogil:
        return load_time_state(&self.end_state) != NO_TIME

    cdef void set_end_state(self, TimeState state) noexcept:
        store_time_state(&self.end_state, state)

    # Creating one of the SDK's containers runs Python code, so other threads may run. Each method creates the container
    # first, checks again, and then fills and publishes it without running Python code. Callers hold the span's critical
    # section.

    cdef object container(self):
        """The attributes in the SDK's container, which replaces the pairs."""
        cdef dict items
        cdef uint32_t i
        if self.has_container:
            return self.cold_fields.attributes
        cold_fields = self.cold()
        items = {}
        made = bounded_attributes(items, as_limit(self.shared.max_attributes), as_limit(self.shared.max_value_length))
        if not self.has_container:
            for i in range(self.pair_count):
                PyDict_SetItem(items, <object> self.pairs[i].key, <object> self.pairs[i].value)
            cold_fields.attributes = made
            self.has_container = True
            if is_sealed(self):
                setattr(made, BOUNDED_ATTRIBUTES_IMMUTABLE, True)
        return cold_fields.attributes

    cdef object event_container(self):
        """The events in the SDK's container, which replaces the native list."""
        cdef NativeEvent event
        cdef Py_ssize_t converted = 0
        if self.has_event_container:
            return self.cold_fields.events
        cold_fields = self.cold()
        limits = self.shared.limits
        made = BoundedList(limits.max_events)
        append = getattr(made, BOUNDED_LIST_DEQUE).append
        # By index: events may be added during the conversion.
        while (not self.has_event_container and cold_fields.events is not None
                and converted < PyList_GET_SIZE(cold_fields.events)):
            event = <NativeEvent> PyList_GET_ITEM(cold_fields.events, converted)
            append(event.as_sdk_event(limits))
            converted += 1
        if not self.has_event_container:
            cold_fields.events = made
            self.has_event_container = True
        return cold_fields.events

    cdef object link_container(self):
        """The links in the SDK's container, which replaces the native list."""
        cdef NativeLink link
        if self.has_link_container:
            return self.cold_fields.links
        cold_fields = self.cold()
        limits = self.shared.limits
        kept = cold_fields.links  # complete since the start: links that are added go to the container
        made = BoundedList(limits.max_links)
        if kept is not None:
            append = getattr(made, BOUNDED_LIST_DEQUE).append
            for link in <list> kept:
                append(link.as_sdk_link(limits))
        if not self.has_link_container:
            cold_fields.links = made
            self.has_link_container = True
        return cold_fields.links

    cdef bint has_links(self) noexcept:
        """Whether the span has links, or may have."""
        return self.has_link_container or (self.cold_fields is not None and self.cold_fields.links is not None)

    @property
    @cython.critical_section
    def _name(self):
        return self.name

    @_name.setter
    @cython.critical_section
    def _name(self, name):
        self.name = name

    @property
    @cython.critical_section
    def _kind(self):
        return self.kind

    @_kind.setter
    @cython.critical_section
    def _kind(self, kind):
        self.kind = kind

    @property
    @cython.critical_section
    def _parent(self):
        if not self.has_parent:
            return None
        if self.parent_cell is None:
            return self.cold_fields.parent_context
        return self.parent_cell.shared_context(
            &self.parent_ids, None if self.cold_fields is None else self.cold_fields.parent_state)

    @_parent.setter
    @cython.critical_section
    def _parent(self, parent):
        cdef BorrowedState state
        cdef Ids ids
        cdef bint as_numbers = False
        state.state = NULL
        cold_fields = self.cold()
        if parent is not None:
            as_numbers = read_context(parent, &ids, &state)  # may run Python code that reads the parent
        cold_fields.parent_context = parent
        self.parent_cell = None
        self.has_parent = parent is not None
        self.parent_as_numbers = as_numbers
        if as_numbers:
            self.parent_ids = ids

    @property
    @cython.critical_section
    def _start_time(self):
        return self.cold_fields.start_object if self.start_state == TIME_OBJECT else number_or_none(
            self.start_state, self.start_number)

    @_start_time.setter
    @cython.critical_section
    def _start_time(self, start_time):
        self.cold().start_object = start_time
        self.start_state = NO_TIME if start_time is None else TIME_OBJECT

    @property
    @cython.critical_section
    def _end_time(self):
        return self.cold_fields.end_object if self.end_state == TIME_OBJECT else number_or_none(
            self.end_state, self.end_number)

    @_end_time.setter
    @cython.critical_section
    def _end_time(self, end_time):
        if end_time is None and self.is_ended() and not self.has_container:
            # The span is opened again. An encoder may be reading the pairs, so that nothing may change them any more.
            setattr(self.container(), BOUNDED_ATTRIBUTES_IMMUTABLE, False)
        self.cold().end_object = end_time
        self.set_end_state(NO_TIME if end_time is None else TIME_OBJECT)

    @property
    @cython.critical_section
    def _status(self):
        return self.own_status()

    @_status.setter
    @cython.critical_section
    def _status(self, status):
        self.cold().status = status

    @property
    @cython.critical_section
    def _attributes(self):
        return self.container()

    @_attributes.setter
    @cython.critical_section
    def _attributes(self, attributes):
        self.cold().attributes = attributes
        self.has_container = True

    @property
    @cython.critical_section
    def _events(self):
        return self.event_container()

    @_events.setter
    @cython.critical_section
    def _events(self, events):
        self.cold().events = events
        self.has_event_container = True

    @property
    @cython.critical_section
    def _links(self):
        return self.link_container()

    @_links.setter
    @cython.critical_section
    def _links(self, links):
        self.cold().links = links
        self.has_link_container = True

    @property
    def _resource(self):
        return (<SpanShared> shared_of(self)).resource

    @_resource.setter
    @cython.critical_section
    def _resource(self, resource):
        shared = self.shared.copy()
        shared.resource = resource
        self.replace_shared(shared)

    @property
    def _instrumentation_scope(self):
        return (<SpanShared> shared_of(self)).instrumentation_scope

    @_instrumentation_scope.setter
    @cython.critical_section
    def _instrumentation_scope(self, scope):
        shared = self.shared.copy()
        shared.instrumentation_scope = scope
        self.replace_shared(shared)

    @property
    def _instrumentation_info(self):
        return (<SpanShared> shared_of(self)).instrumentation_info

    @_instrumentation_info.setter
    @cython.critical_section
    def _instrumentation_info(self, info):
        shared = self.shared.copy()
        shared.instrumentation_info = info
        self.replace_shared(shared)

    @property
    def _sampler(self):
        return (<SpanShared> shared_of(self)).sampler

    @_sampler.setter
    @cython.critical_section
    def _sampler(self, sampler):
        shared = self.shared.copy()
        shared.sampler = sampler
        self.replace_shared(shared)

    @property
    def _span_processor(self):
        return (<SpanShared> shared_of(self)).span_processor

    @_span_processor.setter
    @cython.critical_section
    def _span_processor(self, span_processor):
        shared = self.shared.copy()
        shared.set_processor(span_processor)
        self.replace_shared(shared)

    @property
    def _limits(self):
        return (<SpanShared> shared_of(self)).limits

    @_limits.setter
    @cython.critical_section
    def _limits(self, limits):
        bounds = bounds_of(limits)
        shared = self.shared.copy()
        shared.set_limits(limits, bounds)
        self.replace_shared(shared)

    @property
    @cython.critical_section
    def _lock(self):
        cold_fields = self.cold()
        if cold_fields.lock is None:
            made = threading.Lock()
            if cold_fields.lock is None:
                cold_fields.lock = made
        return cold_fields.lock

    @_lock.setter
    @cython.critical_section
    def _lock(self, lock):
        self.cold().lock = lock

    @property
    @cython.critical_section
    def _record_end_metrics(self):
        return None if self.cold_fields is None else self.cold_fields.end_metrics

    @_record_end_metrics.setter
    @cython.critical_section
    def _record_end_metrics(self, record_end_metrics):
        self.cold().end_metrics = record_end_metrics

    @property
    @cython.critical_section
    def _trace_config(self):
        return None if self.cold_fields is None else self.cold_fields.trace_config

    @_trace_config.setter
    @cython.critical_section
    def _trace_config(self, trace_config):
        self.cold().trace_config = trace_config

    @property
    @cython.critical_section
    def _record_exception(self):
        return bool(self.records_exception)

    @_record_exception.setter
    @cython.critical_section
    def _record_exception(self, record_exception):
        self.records_exception = bool(record_exception)

    @property
    @cython.critical_section
    def _set_status_on_exception(self):
        return bool(self.sets_status)

    @_set_status_on_exception.setter
    @cython.critical_section
    def _set_status_on_exception(self, set_status_on_exception):
        self.sets_status = bool(set_status_on_exception)
