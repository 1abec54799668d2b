# The span made current for the length of a block; included by tracer.pyx.

cdef extern from *:
    """
    /* Gives a type the vectorcall protocol, which Cython has no spelling for: `call` is a member of its instances. */
    #define nspy_make_callable(type, instance)                                                                        \
        do {                                                                                                          \
            (type)->tp_vectorcall_offset = (char *)&(instance)->call - (char *)(instance);                            \
            (type)->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;                                                           \
            (type)->tp_call = PyVectorcall_Call;                                                                      \
        } while (0)
    """
    ctypedef object (*vectorcallfunc)(PyObject *, PyObject *const *, size_t, PyObject *)
    Py_ssize_t PyVectorcall_NARGS(size_t)
    void nspy_make_callable(PyTypeObject *type, SpanActivation instance)


cdef inline object given(PyObject *value, object default):
    return default if value is NULL else <object> value


cdef inline int end_span(object span) except -1:
    if type(span) is span_class and not load_flag(&(<NativeSpan> span).patched) and is_original(&end_guard):
        (<NativeSpan> span).finish(None)
    elif type(span) is not non_recording_class:
        span.end()
    return 0


cdef extern from *:
    """
    #include "base/threads.h"
    /* Of two threads that enter one activation, or leave it, one does. */
    #if NSPY_FREE
    #define nspy_claim_entry(activation)     nspy_claim(&(activation)->entered)
    #define nspy_show_span(activation, owned) NSPY_SHOW((activation)->span, owned)
    #define nspy_take_span(activation)       __atomic_exchange_n(&(activation)->span, NULL, __ATOMIC_ACQ_REL)
    #else
    #define nspy_claim_entry(activation)     ((activation)->entered ? false : ((activation)->entered = true))
    #define nspy_show_span(activation, owned) ((void)((activation)->span = (owned)))
    #define nspy_take_span(activation)       nspy_taken(&(activation)->span)
    #endif
    static inline PyObject *nspy_taken(PyObject **field) {
        PyObject *owned = *field;
        *field = NULL;
        return owned;
    }
    """
    bint claim_entry "nspy_claim_entry"(SpanActivation activation)
    void show_span "nspy_show_span"(SpanActivation activation, PyObject *owned)
    PyObject *take_span "nspy_take_span"(SpanActivation activation)


@cython.final
@cython.freelist(64)
@cython.no_gc
cdef class SpanActivation:
    """What `start_as_current_span` returns: starts the span and makes it current on entry, undoes both on exit.

    Also a decorator of functions and coroutine functions, each call of which gets a span of its own.
    """

    # Owned references. Those that few callers give are NULL: see SpanColdFields for why. What is given is never changed.
    cdef vectorcallfunc call   # what calling an instance does
    cdef PyObject *tracer
    cdef PyObject *name
    cdef PyObject *kind
    cdef PyObject *context
    cdef PyObject *attributes
    cdef PyObject *links
    cdef PyObject *start_time
    cdef PyObject *span        # NULL before entry and after exit
    cdef Activated activated   # as `cost`: of whoever enters, until the span is to be seen; then of whoever takes it
    cdef bint entered
    cdef bint record_exception
    cdef bint set_status_on_exception
    cdef bint end_on_exit
    cdef uint32_t cost         # of a timed span: nanoseconds until it was current; 0: not timed

    # Not known to the garbage collector, which costs a tenth of an unsampled span. One that is never entered, or never left,
    # and that its own span or attributes refer to, is not freed: see docs/limitations.md.

    def __dealloc__(self):
        if self.span is not NULL:
            # Entered and dropped: as the SDK's generator, which is closed then.
            try:
                self.leave(None)
            except Exception:
                pass
        Py_XDECREF(self.tracer)
        Py_XDECREF(self.name)
        Py_XDECREF(self.kind)
        Py_XDECREF(self.context)
        Py_XDECREF(self.attributes)
        Py_XDECREF(self.links)
        Py_XDECREF(self.start_time)
        Py_XDECREF(self.span)
        Py_XDECREF(self.activated.context)
        Py_XDECREF(self.activated.token)

    cdef object enter(self):
        cdef uint64_t began = 0
        cdef bint metered = False
        if not claim_entry(self):
            raise RuntimeError("a span can be entered only once: call start_as_current_span again")
        tracer = <object> self.tracer
        if self.context is not NULL:
            look_at_runtime()  # without one given, starting the span does
        if (type(tracer) is tracer_class and not load_flag(&(<NativeTracer> tracer).patched)
                and is_original(&start_span_guard)):
            metered = load_u32(readers_of_meter) != 0
            if metered:
                began = begin_metering()
            span = start_unmetered(
                <NativeTracer> tracer, <object> self.name, given(self.context, None), <object> self.kind,
                given(self.attributes, None), given(self.links, NO_LINKS), given(self.start_time, None),
                self.record_exception, self.set_status_on_exception,
            )
        else:
            span = tracer.start_span(
                name=<object> self.name, context=given(self.context, None), kind=<object> self.kind,
                attributes=given(self.attributes, None), links=given(self.links, NO_LINKS),
                start_time=given(self.start_time, None), record_exception=self.record_exception,
                set_status_on_exception=self.set_status_on_exception,
            )
        try:
            make_current(span, &self.activated)
        except BaseException as error:
            try:
                if isinstance(error, Exception):
                    self.note(span, error)
            finally:
                if self.end_on_exit:
                    end_span(span)
            raise
        if metered:
            count_sampled(span)
            if began:
                record_start_cost(span, began)
                self.cost = elapsed_ns(began)
        show_span(self, new_reference(span))
        return span

    cdef bint leave(self, object exc_val) except -1:
        cdef PyObject *owned = take_span(self)
        if owned is NULL:
            return False
        cdef uint64_t began = ns_clock_monotonic() if self.cost else 0
        span = steal_reference(owned)
        try:
            undo_current(&self.activated)
            if began:
                if type(span) is span_class:
                    add_u32(&(<NativeSpan> span).cost, elapsed_ns(began))
                else:
                    ns_cost_meter_timed(meter, False, self.cost + ns_clock_monotonic() - began)
            # Only what is an error: GeneratorExit, KeyboardInterrupt and their like are not.
            if exc_val is not None and isinstance(exc_val, Exception):
                self.note(span, exc_val)
        finally:
            if self.end_on_exit:
                end_span(span)
        return False

    cdef int note(self, object span, object exception) except -1:
        if not isinstance(span, api_span) or not span.is_recording():
            return 0
        if self.record_exception:
            span.record_exception(exception)
        if self.set_status_on_exception:
            span.set_status(Status(StatusCode.ERROR, f"{type(exception).__name__}: {exception}"))
        return 0

    def _recreate_cm(self):
        """The same again, not yet entered."""
        if load_flag(&self.entered):
            raise RuntimeError("a span that was entered is no decorator: call start_as_current_span again")
        return start_as_current_span(
            <object> self.tracer, <object> self.name, given(self.context, None), <object> self.kind,
            given(self.attributes, None), given(self.links, NO_LINKS), given(self.start_time, None),
            self.record_exception, self.set_status_on_exception, self.end_on_exit,
        )


cdef inline object raised(object exc_type, object exc_val):
    # A caller may give the type alone, as to any context manager made of a generator.
    return exc_type() if exc_val is None and exc_type is not None else exc_val


cdef object call_activation(PyObject *called, PyObject *const *arguments, size_t count_and_flag, PyObject *names):
    """Enters, leaves or decorates, by the number of arguments; see `SpecialMethod`."""
    cdef SpanActivation activation = <SpanActivation> called
    cdef Py_ssize_t count = PyVectorcall_NARGS(count_and_flag)
    if names is NULL or not <tuple> names:
        if count == 0:
            return activation.enter()
        if count == 3:
            return activation.leave(raised(<object> arguments[0], <object> arguments[1]))
        if count == 1:
            return decorate(activation, <object> arguments[0])
    raise TypeError(f"takes a function to decorate, not {count} arguments")


cdef class SpecialMethod:
    """`__enter__` and `__exit__` of an activation: of an instance, the instance itself, which is callable.

    A ``with`` statement looks both up at once, and a bound method for each costs a tenth of an unsampled span.
    """

    def __get__(self, instance, owner):
        return self if instance is None else instance

    def __call__(self, activation, *exc_info):
        return activation(*exc_info)


cdef int finish_activation_type() except -1:
    cdef PyTypeObject *type_object = <PyTypeObject *> SpanActivation
    names = <dict> type_object.tp_dict
    names["__enter__"] = names["__exit__"] = SpecialMethod()
    nspy_make_callable(type_object, SpanActivation.__new__(SpanActivation))
    PyType_Modified(<type> SpanActivation)
    return 0


finish_activation_type()


def start_as_current_span(
    self,
    name,
    context=None,
    kind=INTERNAL,
    attributes=None,
    links=NO_LINKS,
    start_time=None,
    record_exception=True,
    set_status_on_exception=True,
    end_on_exit=True,
):
    """Start a span and make it the current one for the length of a ``with`` block, or of each call of a function.

    Arguments as `start_span`; ``end_on_exit`` says whether leaving the block ends the span.
    """
    cdef SpanActivation made = SpanActivation.__new__(SpanActivation)
    made.call = <vectorcallfunc> call_activation
    made.tracer = new_reference(self)
    made.name = new_reference(name)
    made.kind = new_reference(kind)
    if context is not None:
        made.context = new_reference(context)
    if attributes is not None:
        made.attributes = new_reference(attributes)
    if links is not NO_LINKS:
        made.links = new_reference(links)
    if start_time is not None:
        made.start_time = new_reference(start_time)
    made.record_exception = record_exception
    made.set_status_on_exception = set_status_on_exception
    made.end_on_exit = end_on_exit
    return made
