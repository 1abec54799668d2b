"""Detection of Contexts that were lost, while the program runs."""

from __future__ import annotations

import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any, Literal, TypedDict, get_args

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter

from nanospan._common.arguments import check_bool, check_integer
from nanospan._native.context import report_signals
from nanospan._native.trace import Detector, start_detection

__all__ = ["ContextLost", "Detection", "DetectionStats", "Signal", "detect", "lost"]

logger = logging.getLogger("nanospan.concurrency")

Signal = Literal[
    "root.unexpected",
    "child.late",
    "child.stale",
    "detach.foreign",
    "scope.left",
    "span.abandoned",
    "consumer.unlinked",
    "inject.empty",
    "link.invalid",
]

MEANINGS: dict[str, str] = {
    "root.unexpected": "a root span was started in a thread of a pool while requests are active: no Context was carried",
    "child.late": "the parent had ended: background work of a request that is over, or a Context kept for too long",
    "child.stale": "the whole trace of the parent had ended: a Context of an earlier request",
    "detach.foreign": "a span was left in another context than the one it entered, as by a generator that is closed late",
    "scope.left": "a call has left another Context attached",
    "span.abandoned": "a span was freed that had never been ended, and is not exported",
    "consumer.unlinked": "a CONSUMER span without parent and links: the message had no headers, or they were not read",
    "inject.empty": "headers were written where no span is current: the receiver begins a new trace",
    "link.invalid": "a traceparent was there and could not be read",
}
_POOLS = ("concurrent.futures", "multiprocessing.pool", "anyio", "asgiref", "gevent.threadpool")
_GUARDED = "nanospan.messaging"
_OWN = ("nanospan.", "opentelemetry.", "contextlib", "threading", "concurrent.futures", "wrapt")


class ContextLost(RuntimeError):
    """Raised by ``detect(strict=True)``, with the signal's name."""


class DetectionStats(TypedDict):
    """What a detection has seen."""

    signals: dict[str, int]
    """How often each signal fired; every one of `Signal` is there."""
    completeness: dict[str, float]
    """By instrumentation scope: the share of the spans that had not lost their parent, 0 to 1."""
    untracked: int
    """Spans without a parent in this process that the table had no room for: more than 65,536 at a time."""


def _reentrant_lock() -> Any:
    """The collector may free an abandoned span, which is counted, while it is held."""
    return threading.RLock()


class Detection:
    """A running detection; as a context manager it stops at the end."""

    def __init__(self, strict: bool, log_first: int) -> None:
        self._strict = strict
        self._log_first = log_first
        self._counts = dict.fromkeys(get_args(Signal), 0)
        self._held: list[str] = []
        self._lock = _reentrant_lock()
        self._detector = Detector(self._of_a_span, _is_worker)

    def _of_a_span(self, signal: str, name: str | None, scope: str | None) -> None:
        text = self._noticed(signal, name, scope)
        # nanospan.messaging keeps what a tracer raises from the application.
        if self._strict and signal != "span.abandoned" and scope != _GUARDED:
            raise ContextLost(text)
        self._hold(text)

    def _of_a_context(self, signal: str) -> None:
        self._hold(self._noticed(signal, None, None))

    def _hold(self, text: str) -> None:
        if self._strict:
            with self._lock:
                self._held.append(text)

    def _noticed(self, signal: str, name: str | None, scope: str | None) -> str:
        with self._lock:
            self._counts[signal] += 1
            _total[signal] += 1
            number = self._counts[signal]
        if number > self._log_first and not self._strict:
            return ""
        about = "" if name is None else f" span {name!r} of {scope}"
        text = f"{signal}:{about} in thread {threading.current_thread().name!r}{_call_site()}: {MEANINGS[signal]}"
        if not self._strict:
            logger.warning("%s%s", text, " (the last line of this kind)" if number == self._log_first else "")
        return text

    def stats(self) -> DetectionStats:
        """What has been seen so far."""
        with self._lock:
            signals = dict(self._counts)
        completeness = {scope or "": 1 - lost / started for scope, (started, lost) in self._detector.completeness().items()}
        return DetectionStats(signals=signals, completeness=completeness, untracked=self._detector.untracked)

    def check(self) -> None:
        """Raise ContextLost for a signal that could not be raised where it was seen; for ``strict``."""
        with self._lock:
            held, self._held = self._held, []
        if held:
            raise ContextLost(held[0] if len(held) == 1 else f"{held[0]} (and {len(held) - 1} more)")

    def stop(self) -> None:
        """Stop looking; what was counted stays."""
        global _active
        with _lock:
            if _active is self:
                _active = None
                start_detection(None)
                report_signals(None)
        self._detector.close()

    def __enter__(self) -> Detection:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *exc_info: object) -> None:
        self.stop()
        if exc_type is None:
            self.check()


_lock = threading.Lock()
_active: Detection | None = None
_total = dict.fromkeys(get_args(Signal), 0)
"""Of all detections of this process: a counter of a metric never goes back."""
_measured: weakref.WeakSet[Any] = weakref.WeakSet()
"""The meter providers that have the instrument, which counts for every detection; `get_meter` for the global one."""


def _is_new(meter_provider: MeterProvider | None) -> bool:
    key: Any = get_meter if meter_provider is None else meter_provider
    try:
        known = key in _measured
        _measured.add(key)
    except TypeError:  # one without a hash, or weak references
        return True
    return not known


def _observer() -> Callable[[CallbackOptions], list[Observation]]:
    """The callback of an instrument, which counts from now on."""
    before = _total.copy()

    def observe(_: CallbackOptions) -> list[Observation]:
        return [Observation(count - before[signal], {"signal": signal}) for signal, count in _total.copy().items()]

    return observe


def _renew_locks() -> None:
    """In a forked child, which has none of the threads that may have held them."""
    global _lock
    _lock = threading.Lock()
    if _active is not None:
        _active._lock = _reentrant_lock()


os.register_at_fork(after_in_child=_renew_locks)


def detect(*, strict: bool = False, log_first: int = 3, meter_provider: MeterProvider | None = None) -> Detection:
    """Look for lost Contexts in this process, until `Detection.stop`. Only spans of nanospan's provider are seen.

    Each of the signals of `Signal` is counted, in ``stats()`` and in the metric ``nanospan.context.lost``; the first
    ``log_first`` of each are logged with span, scope, thread and call site. ``strict`` raises `ContextLost` instead, for
    tests: from ``start_span`` where the signal is about a span that starts, else at the end of the ``with`` block or in
    `Detection.check`, as also for spans of nanospan.messaging. A detection that runs is stopped.

    Raises TypeError or ValueError for wrong arguments.
    """
    global _active
    check_bool("strict", strict)
    check_integer("log_first", log_first, 0, 1000)
    made = Detection(strict, log_first)
    with _lock:
        if _is_new(meter_provider):
            get_meter("nanospan.concurrency", meter_provider=meter_provider).create_observable_counter(
                "nanospan.context.lost", [_observer()], unit="{signal}", description="Signs of Contexts that were lost"
            )
        _active = made
        report_signals(made._of_a_context)
        start_detection(made._detector)
    return made


def lost() -> dict[str, int]:
    """The counts of the detection that runs; empty if none does."""
    running = _active
    return {} if running is None else dict(running.stats()["signals"])


def _is_worker() -> bool:
    thread = threading.current_thread()
    target: Any = getattr(thread, "_target", None)
    try:
        module = str(getattr(target, "__module__", None) or type(thread).__module__)
    except Exception:  # of a proxy that is not bound
        return False
    return any(module == pool or module.startswith(f"{pool}.") for pool in _POOLS)


def _call_site() -> str:
    """Where the application's own code is, from here outwards."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if not module.startswith(_OWN):
            return f", at {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
        frame = frame.f_back
    return ""
