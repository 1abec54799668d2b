# Exclusion of the writes into a span and its end; included by span.pxi.
#
# A write that runs no Python code is atomic: the thread holds the interpreter lock, or the span's critical section. A write
# that may run Python code (the cleaning of a value, the SDK's containers) takes the span, and an end in another thread waits
# for it, as for the lock of an SDK span. Unlike that lock:
#
#   - the thread that has the span may take it again: a value's __str__, a signal handler or a greenlet may write, or end it;
#   - nobody waits longer than MAX_WAIT_SECONDS, because the thread that has the span may wait for the one that ends it;
#     once somebody has waited in vain, nobody else waits for that write;
#   - a forked child does not wait for a thread of its parent.
#
# Therefore a write looks once more whether the span has ended when it has its cleaned value, and runs no Python code from
# there on. A write that comes too late is dropped with the same warning as any other on an ended span.
#
# `_on_ending` is called after the end time is set, and may still change the span; other threads may not.

cdef extern from "Python.h":
    unsigned long PyThread_get_thread_ident()
    const unsigned long ANY_THREAD "PYTHREAD_INVALID_THREAD_ID"

cdef double MAX_WAIT_SECONDS = 1.0

cdef enum Turn:
    REFUSED  # the span has ended
    SHARED   # waited in vain, so that another thread has the span too
    TAKEN    # until `end_write`

cdef object waiters = Waiters()
cdef const uint32_t *fork_generation = generation_address()


cdef inline bint may_change(SpanFields span) noexcept:
    """Whether this thread may change the span: it has not ended, or this thread is in its _on_ending."""
    return not span.is_ended() or may_change_while_ending(span)


cdef bint may_change_while_ending(SpanFields span) noexcept:
    cdef SpanColdFields cold_fields = span.cold_fields
    return cold_fields is not None and (
        cold_fields.ending == ANY_THREAD or cold_fields.ending == PyThread_get_thread_ident())


cdef bint is_sealed(SpanFields span) noexcept:
    """Whether nobody may change the span any more."""
    return span.is_ended() and (span.cold_fields is None or span.cold_fields.ending == 0)


cdef void forget_writer_of_parent(SpanColdFields cold_fields, unsigned long own) noexcept:
    """In a forked child: other threads than the one that forked do not exist."""
    if cold_fields.fork != fork_generation[0]:
        cold_fields.fork = fork_generation[0]
        cold_fields.waiting_ends = cold_fields.waiting = 0
        cold_fields.given_up = False
        if cold_fields.writer != own:
            cold_fields.writer = 0
            cold_fields.writer_depth = 0


cdef Turn begin_write(SpanFields span) except? REFUSED:
    """For a write that may run Python code. The caller is in the span's critical section."""
    cdef SpanColdFields cold_fields = span.cold()
    cdef unsigned long own = PyThread_get_thread_ident()
    forget_writer_of_parent(cold_fields, own)
    if cold_fields.writer != own and not cold_fields.given_up and not has_turn(cold_fields, own) and not span.is_ended():
        wait_for(cold_fields, cold_fields.has_turn)
        cold_fields.given_up = not has_no_other_writer(cold_fields, own)
    if not may_change(span):
        return REFUSED
    if not has_no_other_writer(cold_fields, own):
        return SHARED
    cold_fields.writer = own
    cold_fields.writer_depth += 1
    return TAKEN


cdef int end_write(SpanFields span, Turn turn) except -1:
    cdef SpanColdFields cold_fields = span.cold_fields
    if turn == TAKEN and cold_fields.writer_depth:
        cold_fields.writer_depth -= 1
        if cold_fields.writer_depth == 0:
            cold_fields.writer = 0
            cold_fields.given_up = False
            if cold_fields.waiting:
                waiters.wake()
    return 0


cdef int wait_for_writer(SpanFields span) except -1:
    """For an end: waits until no other thread writes. Writes that begin meanwhile wait for the end, except those of the
    thread that waits, in a signal handler."""
    cdef SpanColdFields cold_fields = span.cold_fields
    cdef unsigned long own = PyThread_get_thread_ident(), outer
    forget_writer_of_parent(cold_fields, own)
    if span.is_ended() or cold_fields.given_up or has_no_other_writer(cold_fields, own):
        return 0
    outer = cold_fields.end_waiter
    cold_fields.waiting_ends += 1
    cold_fields.end_waiter = own
    try:
        wait_for(cold_fields, cold_fields.has_no_other_writer)
        cold_fields.given_up = not has_no_other_writer(cold_fields, own)
    finally:
        cold_fields.end_waiter = outer
        cold_fields.waiting_ends -= 1
    return 0


cdef int wait_for(SpanColdFields cold_fields, object done) except -1:
    cold_fields.waiting += 1
    try:
        waiters.wait_until(done, MAX_WAIT_SECONDS)
    except Exception:  # no memory, or the recursion limit: as if waited in vain
        pass
    finally:
        cold_fields.waiting -= 1
    return 0


cdef inline bint has_no_other_writer(SpanColdFields cold_fields, unsigned long own) noexcept:
    return cold_fields.writer == 0 or cold_fields.writer == own


cdef inline bint has_turn(SpanColdFields cold_fields, unsigned long own) noexcept:
    """Whether a thread may write: no other thread writes, or waits to end the span."""
    return (cold_fields.waiting_ends == 0 or cold_fields.end_waiter == own) and has_no_other_writer(cold_fields, own)


cdef class SpanColdFields:
    """Fields of a span that few spans use."""

    def __cinit__(self):
        self.fork = fork_generation[0]

    # For `Waiters`, which ask in the thread that waits.

    def has_turn(self):
        return has_turn(self, PyThread_get_thread_ident())

    def has_no_other_writer(self):
        return has_no_other_writer(self, PyThread_get_thread_ident())
