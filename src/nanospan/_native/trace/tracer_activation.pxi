# start_as_current_span; included by tracer.pxi.

cdef extern from *:
    """
    /* Adds the vectorcall protocol to a type, which Cython cannot express; `call` is a member of its instances. */
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


cdef inline object or_default(PyObject *value, object default):
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
    /* If several threads enter or leave one activation, exactly one succeeds. */
    #if NSPY_FREE
    #define nspy_claim_entry(activation)     nspy_claim(&(activation)->entered)
    #define nspy_publish_span(activation, owned) NSPY_STORE_RELEASE((activation)->span, owned)
    #define nspy_take_span(activation)       __atomic_exchange_n(&(activation)->span, NULL, __ATOMIC_ACQ_REL)
    #else
    #define nspy_claim_entry(activation)     ((activation)->entered ? false : ((activation)->entered = true))
    #define nspy_publish_span(activation, owned) ((void)((activation)->span = (owned)))
    #define nspy_take_span(activation)       nspy_taken(&(activation)->span)
    #endif
    static inline PyObject *nspy_taken(PyObject **field) {
        PyObject *owned = *field;
        *field = NULL;
        return owned;
    }
    """
    bint claim_entry "nspy_claim_entry"(SpanActivation activation)
    void publish_span "nspy_publish_span"(SpanActivation activation, PyObject *owned)
    PyObject *take_span "nspy_take_span"(SpanActivation activation)


@cython.final
@cython.freelist(64)
@cython.no_gc
cdef class SpanActivation:
    """Returned by `start_as_current_span`: starts the span and makes it current on entry, undoes both on exit.

    Also decorates functions and coroutine functions; each call then has its own span.
    """

    # Owned references, immutable except `span`. Rarely passed arguments are NULL instead of None, which would cost two
    # writes to a reference count (see SpanColdFields).
    cdef vectorcallfunc call   # the vectorcall function of the instance
    cdef PyObject *tracer
    cdef PyObject *name
    cdef PyObject *kind
    cdef PyObject *context
    cdef PyObject *attributes
    cdef PyObject *links
    cdef PyObject *start_time
    cdef PyObject *span        # NULL before entry and after exit
    cdef Activated activated   # like `cost`: of the entering thread until `span` is set, then of the thread that takes it
    cdef bint entered
    cdef bint record_exception
    cdef bint set_status_on_exception
    cdef bint end_on_exit
    cdef uint32_t cost         # of a timed span: nanoseconds until it was current; 0: not timed

    # Not tracked by the garbage collector: tracking costs a tenth of an unsampled span. An activation that is never entered
    # or never left, and that its own span or attributes refer to, is not freed: see docs/limitations.md.

    def __dealloc__(self):
        if self.span is not NULL:
            # Entered, but never left: leave now, as the SDK's generator does when it is closed.
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
            refresh_runtime()  # without a context, starting the span calls it
        if (type(tracer) is tracer_class and not load_flag(&(<NativeTracer> tracer).patched)
                and is_original(&start_span_guard)):
            metered = load_u32(readers_of_meter) != 0
            if metered:
                began = begin_metering()
            span = start_unmetered(
                <NativeTracer> tracer, <object> self.name, or_default(self.context, None), <object> self.kind,
                or_default(self.attributes, None), or_default(self.links, NO_LINKS), or_default(self.start_time, None),
                self.record_exception, self.set_status_on_exception,
            )
        else:
            span = tracer.start_span(
                name=<object> self.name, context=or_default(self.context, None), kind=<object> self.kind,
                attributes=or_default(self.attributes, None), links=or_default(self.links, NO_LINKS),
                start_time=or_default(self.start_time, None), record_exception=self.record_exception,
                set_status_on_exception=self.set_status_on_exception,
            )
        try:
            make_current(span, &self.activated)
        except BaseException as error:
            try:
                if isinstance(error, Exception):
                    self.record_error(span, error)
            finally:
                if self.end_on_exit:
                    end_span(span)
            raise
        if metered:
            count_sampled(span)
            if began:
                record_start_cost(span, began)
                self.cost = elapsed_ns(began)
        publish_span(self, new_reference(span))
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
            # Only Exceptions are errors: not GeneratorExit, KeyboardInterrupt and the like.
            if exc_val is not None and isinstance(exc_val, Exception):
                self.record_error(span, exc_val)
        finally:
            if self.end_on_exit:
                end_span(span)
        return False

    cdef int record_error(self, object span, object exception) except -1:
        if not isinstance(span, api_span) or not span.is_recording():
            return 0
        # Nothing may take the place of the application's own exception.
        if self.record_exception:
            try:
                span.record_exception(exception)
            except Exception:
                log_callback_error(span, "record_exception")
        if self.set_status_on_exception:
            try:
                span.set_status(Status(StatusCode.ERROR, status_text(exception)))
            except Exception:
                log_callback_error(span, "set_status")
        return 0

    def _recreate_cm(self):
        """A new activation with the same arguments."""
        if load_flag(&self.entered):
            raise RuntimeError("a span that was entered is no decorator: call start_as_current_span again")
        return start_as_current_span(
            <object> self.tracer, <object> self.name, or_default(self.context, None), <object> self.kind,
            or_default(self.attributes, None), or_default(self.links, NO_LINKS), or_default(self.start_time, None),
            self.record_exception, self.set_status_on_exception, self.end_on_exit,
        )


cdef inline object raised(object exc_type, object exc_val):
    # A caller may pass the type alone, as generator-based context managers accept.
    return exc_type() if exc_val is None and exc_type is not None else exc_val


cdef object call_activation(PyObject *called, PyObject *const *arguments, size_t count_and_flag, PyObject *names):
    """Enters, leaves or decorates, depending on the number of arguments; see `SpecialMethod`."""
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
    """Descriptor for `__enter__` and `__exit__` of an activation: returns the instance itself, which is callable.

    A ``with`` statement looks up both; creating two bound methods costs a tenth of an unsampled span.
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
    """Start a span and make it current for a ``with`` block, or for each call of a decorated function.

    The arguments of `start_span`; ``end_on_exit``: whether leaving the block ends the span.
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
