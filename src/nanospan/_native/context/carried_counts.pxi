"""What calls and spans have met while they carried Contexts, counted for the process."""

from nanospan._native.base.threads cimport add_u64, load_u64

# Relaxed sums.
cdef struct CarriedCounts:
    uint64_t carried         # calls with a Context that was not the current one
    uint64_t empty           # calls from an empty Context into an empty Context, which attach nothing
    uint64_t stale_cleared   # calls from an empty Context where the thread had another one
    uint64_t foreign_detach  # tokens that were created in another context; they restore nothing
    uint64_t scope_left      # calls that left another Context attached

cdef CarriedCounts counts

# Called with the name of a signal; None unless `nanospan.concurrency.detect` looks for them.
cdef object on_signal = None


cdef void signal(str name) noexcept:
    if on_signal is not None:
        try:
            on_signal(name)
        except BaseException:
            pass  # raised where a context is left, it would take the place of the application's exception


cdef void count_foreign_detach() noexcept:
    add_u64(&counts.foreign_detach, 1)
    signal("detach.foreign")


cdef void count_scope_left() noexcept:
    add_u64(&counts.scope_left, 1)
    signal("scope.left")


def report_signals(function):
    """Let ``function(signal)`` be called for what is noticed here; None: nothing is."""
    global on_signal
    on_signal = function


def context_counts():
    """What calls and spans have met so far in this process, by name."""
    return {
        "carried": load_u64(&counts.carried),
        "empty": load_u64(&counts.empty),
        "stale_cleared": load_u64(&counts.stale_cleared),
        "foreign_detach": load_u64(&counts.foreign_detach),
        "scope_left": load_u64(&counts.scope_left),
    }
