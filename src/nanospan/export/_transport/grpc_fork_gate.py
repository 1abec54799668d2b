"""What keeps calls of grpcio and forks of the process apart.

grpcio's handlers of forks stop and restart its threads while others of the process are within it, which can crash it or hang
it; and with GRPC_ENABLE_FORK_SUPPORT=1 it waits, in the child, for the calls that were under way, whose events never come
(grpc/_channel.py, ``_postfork_child``). So nobody must be within.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from nanospan._common.log import WindowedLog

__all__ = ["ForkGate", "InFlightCall", "fork_gate"]

GRACE_SECONDS = 0.01
"""That a fork gives calls under way to end by themselves: an interrupted one is sent again."""

GRACE_FACTOR = 4
"""By which the grace grows with each time in a row that a call under way was interrupted, so that calls and forks both come
to their end even where calls take longer than the time from one fork to the next."""

MAX_GRACE_SECONDS = 0.4
"""To which it grows."""

PATIENCE_SECONDS = 0.5
"""That a fork waits for interrupted calls to return, at most. They do within a millisecond or few where there is a CPU."""

logger = logging.getLogger(__name__)


class InFlightCall:
    """One stay of a thread within grpcio."""

    __slots__ = ("_interrupted", "_way_out", "interruptions", "thread")

    def __init__(self, thread: int, interruptions: int = 0) -> None:
        """``interruptions``: in a row, of what this one is to do."""
        self.thread = thread
        self.interruptions = interruptions
        self._interrupted = False
        self._way_out: Callable[[], Any] | None = None

    @property
    def interrupted(self) -> bool:
        """Whether a fork has asked the thread to leave."""
        return self._interrupted

    def begin(self, way_out: Callable[[], Any]) -> bool:
        """From here on ``way_out()``, called by another thread, makes this one leave. False if it should do so at once."""
        # The other way round than in `interrupt`, so that one of the two sees what the other has written.
        self._way_out = way_out
        return not self._interrupted

    def interrupt(self) -> None:
        self._interrupted = True
        if self._way_out is not None:
            try:
                self._way_out()
            except Exception:
                logger.debug("A gRPC call could not be interrupted before a fork", exc_info=True)


class ForkGate:
    """Lets threads in, except while the process forks; a fork waits, for a short time, until they are out.

    Reentrant, since a signal handler may fork while its thread is in here. A thread that forks does not wait for itself.
    """

    def __init__(self, grace: float = GRACE_SECONDS, patience: float = PATIENCE_SECONDS) -> None:
        """``grace`` and ``patience`` in seconds."""
        self._grace = grace
        self._patience = patience
        self._log = WindowedLog(logger)
        self._begin()

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._inside: set[InFlightCall] = set()
        # The threads that fork: more than one can be on its way there.
        self._forking: list[int] = []
        self._left_behind = 0
        # Last: another thread of a child goes by it, and must not find the lock of the parent.
        self._process = os.getpid()

    def begin_call(self, timeout: float | None, interruptions: int = 0) -> InFlightCall | None:
        """Wait up to ``timeout`` seconds, None for ever, for a fork that is under way; None if it still is. Forks that come
        give the longer grace to what was interrupted before."""
        self.notice_fork()
        thread = threading.get_ident()
        with self._changed:
            # What a thread does in a hook of its own fork cannot wait for the end of that.
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
        """Shut the gate and see everybody out, within the grace and the patience."""
        self.notice_fork()
        thread = threading.get_ident()
        with self._changed:
            self._forking.append(thread)
            if self._empty_within(self._grace_for(self._others(thread)), thread):
                return
            inside = self._others(thread)
            # To interrupt is to be within grpcio: another fork waits for it.
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
            # A signal's handler struck: the gate must not stay shut.
            self._open_again()
            raise
        if left_behind:
            # Not before the fork, when it would be the child's line too.
            self._log.log(
                logging.WARNING,
                "left behind",
                "The process forked during a gRPC call that did not return within %g s; the child may hang in grpcio",
                self._patience,
            )

    def notice_fork(self) -> None:
        """Open the gate if this is a child: nobody is inside. Servers such as uWSGI fork without Python's hooks."""
        if os.getpid() != self._process:
            self._begin()

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
        # Of a large power of 4 there is no float.
        return min(self._grace * GRACE_FACTOR ** min(interruptions, 8), max(self._grace, MAX_GRACE_SECONDS))

    def _others(self, thread: int) -> list[InFlightCall]:
        return [call for call in self._inside if call.thread != thread]

    def _empty_within(self, seconds: float, thread: int) -> bool:
        end = time.monotonic() + seconds
        while self._others(thread):
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._changed.wait(left)
        return True


fork_gate = ForkGate()
