"""What may happen to a request, how often, and which of it strikes the next one: drawn from a seed."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass

__all__ = ["GRPC_FAULTS", "HTTP_FAULTS", "Schedule", "Strike"]

HTTP_FAULTS = {
    "ok": 60,
    "slow": 8,
    "late": 1,
    "hang": 1,
    "cut": 2,
    "reset": 3,
    "reset in the answer": 3,
    "stale connection": 3,
    "drip": 2,
    "400": 1,
    "413": 1,
    "429": 2,
    "502": 2,
    "503 with Retry-After": 3,
    "503 with a date": 1,
    "504": 1,
    "partial success": 3,
    "garbage": 2,
    "garbage body": 2,
}
GRPC_FAULTS = {
    "ok": 60,
    "slow": 8,
    "late": 1,
    "hang": 1,
    "INVALID_ARGUMENT": 1,
    "INTERNAL": 1,
    "UNAVAILABLE": 4,
    "UNAVAILABLE with a delay": 2,
    "ABORTED": 2,
    "RESOURCE_EXHAUSTED": 1,
    "RESOURCE_EXHAUSTED with a delay": 2,
    "partial success": 3,
    "garbage body": 2,
}


@dataclass(frozen=True)
class Strike:
    """One request's fate, and the chance that settles its details."""

    fault: str
    chance: random.Random


class Schedule:
    """The same fault for the same request of the same service under the same seed; "ok" for all when ``calm``."""

    def __init__(self, seed: int, calm: bool) -> None:
        self._seed = seed
        self._calm = calm
        self._requests: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.struck: Counter[str] = Counter()

    def next(self, via: str, service: str) -> Strike:
        with self._lock:
            self._requests[service] += 1
            chance = random.Random(f"{self._seed}/{via}/{service}/{self._requests[service]}")
            faults = HTTP_FAULTS if via == "http" else GRPC_FAULTS
            fault = "ok" if self._calm else chance.choices(list(faults), list(faults.values()))[0]
            self.struck[f"{via}: {fault}"] += 1
        return Strike(fault, chance)

    def outages(self, via: str) -> random.Random | None:
        """The chance by which a side of the receiver goes away and comes back; None if it never does."""
        return None if self._calm else random.Random(f"{self._seed}/{via}/outages")
