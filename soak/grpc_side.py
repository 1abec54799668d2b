"""The gRPC side of the failing receiver."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import grpc
from faults import Schedule, Strike
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from http_side import MAX_HANG
from journal import Arrival, Journal
from support.receivers import GrpcServer, partial_success

__all__ = ["GrpcSide"]

RECENT_SECONDS = 1.0
"""An answer given so short before an abrupt end of the server may not have left it."""

REFUSALS = {"INVALID_ARGUMENT", "INTERNAL"}


class GrpcSide(GrpcServer):
    """Serves a port of 127.0.0.1, with pauses in which nobody does; some begin abruptly, with calls under way."""

    def __init__(self, journal: Journal, schedule: Schedule) -> None:
        self._journal = journal
        self._schedule = schedule
        self._recent: dict[int, float] = {}
        self._lock = threading.Lock()
        super().__init__(workers=24)
        self._thread = threading.Thread(target=self._have_outages, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self._thread.join()
        self.close(grace=5.0)

    def _have_outages(self) -> None:
        outages = self._schedule.outages("grpc")
        while outages and not self.stopping.wait(outages.uniform(3, 15)):
            abrupt = outages.random() < 0.5
            self._journal.note(outage="grpc", abrupt=abrupt)
            began = time.monotonic()
            self.stop_listening(None if abrupt else 2.0)
            # Also when graceful: what takes longer than the grace is cut off.
            self._doubt(began)
            self.stopping.wait(outages.uniform(0.2, 3))
            while True:
                try:
                    self.listen()
                    break
                except RuntimeError:
                    time.sleep(0.05)  # the port is not free yet

    def _doubt(self, began: float) -> None:
        """``began``: when the server was told to stop."""
        with self._lock:
            doubted = [number for number, at in self._recent.items() if at > began - RECENT_SECONDS]
            self._recent.clear()
        for number in doubted:
            self._journal.note(doubted=number)

    def _settle(self, arrival: Arrival, fate: str, rejected: int = 0) -> None:
        now = time.monotonic()
        with self._lock:
            for number in [number for number, at in self._recent.items() if at < now - 60]:
                del self._recent[number]
            self._recent[arrival.number] = now
        arrival.settle(fate, rejected)

    def export(self, body: bytes, context: Any) -> bytes:
        service = dict(context.invocation_metadata()).get("soak-service", "")
        strike = self._schedule.next("grpc", service)
        arrival = self._journal.arrive("grpc", service, strike.fault, body)
        return self._answer(arrival, strike, context)

    def _answer(self, arrival: Arrival, strike: Strike, context: Any) -> bytes:
        fault, chance = strike.fault, strike.chance
        if fault == "hang":
            self._settle(arrival, "silent")
            ended = threading.Event()
            context.add_callback(ended.set)
            ended.wait(MAX_HANG)
            context.abort(grpc.StatusCode.UNAVAILABLE, "as planned")
        if fault in ("slow", "late"):
            self.stopping.wait(chance.uniform(0.05, 1.0) if fault == "slow" else chance.uniform(1.0, 6.0))
        code = fault.partition(" ")[0]
        if hasattr(grpc.StatusCode, code):
            if fault.endswith("delay"):
                delay = RetryInfo(retry_delay=Duration(nanos=chance.randrange(10**9)))
                context.set_trailing_metadata((("google.rpc.retryinfo-bin", delay.SerializeToString()),))
            self._settle(arrival, "refused" if code in REFUSALS else "again")
            context.abort(getattr(grpc.StatusCode, code), "as planned")
        if not context.is_active():
            self._settle(arrival, "broken")
            with contextlib.suppress(Exception):
                context.abort(grpc.StatusCode.CANCELLED, "nobody waits any more")
            return b""
        if fault == "partial success":
            asked = chance.randint(1, 20)
            self._settle(arrival, "acknowledged", min(asked, arrival.spans))
            return partial_success(asked, "as planned")
        self._settle(arrival, "acknowledged")
        return b"\xff\xff\xff" if fault == "garbage body" else b""
