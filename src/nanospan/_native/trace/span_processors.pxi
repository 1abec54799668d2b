# A native span and its span processors: its end beside foreign ones, its SpanCalls for nanospan's; included by span.pxi.

cdef int finish_beside_foreign(NativeSpan span, SpanShared shared, object end_time) except -1:
    """Ends a span that has, or may have, span processors other than nanospan's. Their _on_ending may still change it."""
    cdef nspy_section section
    cdef SpanView view
    cdef NativeProcessors processors = shared.processors
    cdef Afterwards afterwards = THIS_THREAD
    cdef Stop stop
    span_processor = shared.span_processor
    if not calls_on_ending:
        afterwards = NOBODY
    elif processors is not None:
        if not has_foreign(processors):
            afterwards = NOBODY
    elif isinstance(span_processor, concurrent_processor):
        afterwards = EVERY_THREAD  # it calls _on_ending in the threads of its pool
    stop = span.stop_clock(end_time, afterwards)
    if stop == ENDED_BEFORE:
        logger.warning(CALLED_END_ON_ENDED)
        return 0
    if stop == STOPPED_WITH_METRICS:
        span.call_end_metrics()
    try:
        if afterwards != NOBODY:
            if processors is not None:
                processors.ending(span)
            else:
                try:
                    span_processor._on_ending(span)
                except Exception:
                    log_callback_error(span_processor, "_on_ending")
    finally:
        # Also after a BaseException, such as KeyboardInterrupt.
        if afterwards != NOBODY:
            enter(&section, span)
            span.seal()
            leave(&section)
        if processors is not None:
            begin_view(span, &view)
            processors.ended(&view)
        else:
            try:
                span_processor.on_end(span.readable())
            except Exception:
                log_callback_error(span_processor, "on_end")
    return 0


# Called by address, because inlined they would cost the common case some 30 instructions.
cdef int (*slow_finish)(NativeSpan span, SpanShared shared, object end_time) except -1
cdef int (*slow_wait)(SpanFields span) except -1
slow_finish = finish_beside_foreign
slow_wait = wait_for_writer


# --- the SpanCalls of a native span -----------------------------------------------------------------------------------

cdef bint is_sampled(PyObject *span) except -1:
    return (<NativeSpan> span).is_sampled()


cdef bint trace_key(PyObject *span, TraceKey *key) except -1:
    return (<NativeSpan> span).trace_key(key)


cdef int fill(SpanView *view, EncodeCounts *counts) except -1:
    return (<NativeSpan> view.span).fill_view(view, counts)


cdef object readable(PyObject *span):
    return (<NativeSpan> span).readable()


cdef SpanCalls calls_of_native
calls_of_native.is_sampled = is_sampled
calls_of_native.trace_key = trace_key
calls_of_native.fill = fill
calls_of_native.readable = readable


cdef inline void begin_view(NativeSpan span, SpanView *view) noexcept:
    view.span = <PyObject *> span
    view.calls = &calls_of_native
