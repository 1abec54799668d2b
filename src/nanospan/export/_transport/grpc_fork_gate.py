"""Mutual exclusion of grpcio calls and forks of the process.

grpcio's fork handlers stop and restart its threads, which can crash or hang calls of other threads. With
GRPC_ENABLE_FORK_SUPPORT=1 the child also waits for events of in-flight calls, which never come (grpc/_channel.py,
``_postfork_child``). So no thread may be in a grpcio call during a fork.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from nanospan._common.clock import monotonic
from nanospan._common.log import WindowedLog

__all__ = ["ForkGate", "InFlightCall", "fork_gate"]

GRACE_SECONDS = 0.01
"""Time that a fork waits for in-flight calls to end by themselves. An interrupted call is repeated."""

GRACE_FACTOR = 4.0
"""Factor of the grace period for each consecutive interruption of a call. Both calls and forks make progress, even if calls
take longer than the time between forks."""

MAX_GRACE_SECONDS = 0.4
"""Upper limit of the grace period."""

PATIENCE_SECONDS = 0.5
"""Longest time a fork waits for interrupted calls to return (usually a few milliseconds)."""

logger = logging.getLogger(__name__)


class InFlightCall:
    """A grpcio call of one thread."""

    __slots__ = ("_cancel", "_interrupted", "interruptions", "thread")

    def __init__(self, thread: int, interruptions: int = 0) -> None:
        """``interruptions``: consecutive earlier interruptions of the same request."""
        self.thread = thread
        self.interruptions = interruptions
        self._interrupted = False
        self._cancel: Callable[[], Any] | None = None

    @property
    def interrupted(self) -> bool:
        """Whether a fork has interrupted the call."""
        return self._interrupted

    def begin(self, cancel: Callable[[], Any]) -> bool:
        """Register ``cancel()``, which another thread calls to interrupt this call. False if it is interrupted already."""
        # Write then read, in the opposite order of `interrupt`: at least one of the two threads sees the other's write.
        self._cancel = cancel
        return not self._interrupted

    def interrupt(self) -> None:
        self._interrupted = True
        if self._cancel is not None:
            try:
                self._cancel()
            except Exception:
                logger.debug("A gRPC call could not be interrupted before a fork", exc_info=True)


class ForkGate:
    """Blocks new calls while the process forks; a fork waits a limited time for in-flight calls.

    Reentrant: a signal handler may fork during a call of its thread. A forking thread does not wait for itself.
    """

    def __init__(self, grace: float = GRACE_SECONDS, patience: float = PATIENCE_SECONDS) -> None:
        """``grace`` and ``patience`` in seconds."""
        self._grace = grace
        self._patience = patience
        self._log = WindowedLog(logger)
        self._reset_state()

    def _reset_state(self) -> None:
        self._changed = threading.Condition()
        self._inside: set[InFlightCall] = set()
        # The forking threads; there can be more than one.
        self._forking: list[int] = []
        self._left_behind = 0
        # Last: other threads of the child check it, and must not use the parent's lock.
        self._process = os.getpid()

    def begin_call(self, timeout: float | None, interruptions: int = 0) -> InFlightCall | None:
        """Begin a call, after a fork in progress has ended. Returns None if that takes more than ``timeout`` seconds.

        ``interruptions`` lengthens the grace period of later forks.
        """
        self.notice_fork()
        thread = threading.get_ident()
        with self._changed:
            # A call in a fork hook cannot wait for the end of its own fork.
            if not self._changed.wait_for(lambda: not self._forking or thread in self._forking, timeout):
                return None
            call = InFlightCall(thread, interruptions)
            self._inside.add(call)
        return call

    def end_call(self, call: InFlightCall) -> None:
        with self._changed:
            self._inside.discard(call)
            self._changed.notify_all()

    def before_fork(self) -> None:
        """Block new calls and wait for in-flight ones: first the grace period, then interrupt them."""
        self.notice_fork()
        thread = threading.get_ident()
        with self._changed:
            self._forking.append(thread)
            if self._empty_within(self._grace_for(self._others(thread)), thread):
                return
            inside = self._others(thread)
            # Interrupting calls into grpcio, so that another fork must wait for it.
            own = InFlightCall(thread)
            self._inside.add(own)
        try:
            for call in inside:
                call.interrupt()
        finally:
            self.end_call(own)
        with self._changed:
            if not self._empty_within(self._patience, thread):
                self._left_behind += 1

    def after_fork_in_parent(self) -> None:
        try:
            left_behind = self._open_again()
        except BaseException:
            # A signal handler raised: the gate must not stay closed.
            self._open_again()
            raise
        if left_behind:
            # Logged after the fork, so that the child does not log it too.
            self._log.log(
                logging.WARNING,
                "left behind",
                "The process forked during a gRPC call that did not return within %g s; the child may hang in grpcio",
                self._patience,
            )

    def notice_fork(self) -> None:
        """Reset the gate in a child, which has no calls. Servers such as uWSGI fork without Python's fork hooks."""
        if os.getpid() != self._process:
            self._reset_state()

    def _open_again(self) -> int:
        thread = threading.get_ident()
        with self._changed:
            if thread in self._forking:
                self._forking.remove(thread)
            left_behind, self._left_behind = self._left_behind, 0
            self._changed.notify_all()
        return left_behind

    def _grace_for(self, calls: list[InFlightCall]) -> float:
        interruptions = max((call.interruptions for call in calls), default=0)
        # The exponent is bounded: a large power overflows a float.
        return min(self._grace * GRACE_FACTOR ** min(interruptions, 8), max(self._grace, MAX_GRACE_SECONDS))

    def _others(self, thread: int) -> list[InFlightCall]:
        return [call for call in self._inside if call.thread != thread]

    def _empty_within(self, seconds: float, thread: int) -> bool:
        end = monotonic() + seconds
        while self._others(thread):
            left = end - monotonic()
            if left <= 0:
                return False
            self._changed.wait(left)
        return True


fork_gate = ForkGate()
