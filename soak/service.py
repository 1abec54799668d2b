"""A traced service of a soak: threads that end spans, and children that it forks, some of which are killed.

python soak/service.py '{"folder": ..., "key": ..., ...}'      see `ServiceConfig`
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass, fields
from types import FrameType
from typing import NoReturn

from traced import Threads, Tracing, TracingConfig

__all__ = ["CHILD_WAYS", "ServiceConfig"]

CHILD_WAYS = {"returns": 4, "terminated": 3, "killed": 4, "os_exit": 2, "from_thread": 2, "idle": 1}
"""How a forked child ends, and how often."""

OS_EXIT_CODE = 7
TICK = 0.02
SNAPSHOT_SECONDS = 0.25
PATIENCE = 90.0
"""Seconds after which a child that should have ended is taken to hang."""


@dataclass(frozen=True)
class ServiceConfig(TracingConfig):
    lifetime: float = 1e9
    """Seconds until it ends by itself."""
    threads: int = 3
    pace: float = 0.04
    fork_every: float = 2.0
    """Mean seconds between two forks; 0 for none."""
    max_child: float = 6.0
    """Seconds that a forked child lives at most."""


@dataclass
class Child:
    key: str
    way: str
    due: float
    signalled: bool = False


class Service:
    def __init__(self, config: ServiceConfig) -> None:
        self.config = config
        self.chance = random.Random(f"{config.seed}/{config.key}/service")
        self.children: dict[int, Child] = {}
        self.forks = 0
        self.stopping = False
        self.threads: Threads | None = None
        # Before there is a record: who has one ends by itself.
        signal.signal(signal.SIGTERM, self._terminate)
        self.tracing = Tracing(config)

    def run(self) -> None:
        config, chance = self.config, self.chance
        self.threads = Threads(self.tracing, config.threads, config.pace)
        self.threads.start()
        now = time.monotonic()
        end, next_snapshot = now + config.lifetime, now
        next_fork = now + chance.uniform(0, config.fork_every) if config.fork_every else float("inf")
        while not self.stopping and time.monotonic() < end:
            time.sleep(TICK)
            now = time.monotonic()
            if now >= next_fork:
                self._fork()
                next_fork = now + chance.expovariate(1 / config.fork_every)
            if now >= next_snapshot:
                self.tracing.write_snapshot()
                next_snapshot = now + SNAPSHOT_SECONDS
            self._look_after_children()
        self.threads.join()
        give_up = time.monotonic() + PATIENCE
        while self.children and time.monotonic() < give_up:
            self._look_after_children()
            time.sleep(TICK)
        for pid, child in self.children.items():
            self.tracing.record.write(problem=f"{child.key} ({child.way}) does not end", child=child.key)
            os.kill(pid, signal.SIGABRT)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    # --- children -------------------------------------------------------------------------------------------------

    def _fork(self) -> None:
        self.forks += 1
        key = f"{self.tracing.record.key}.{self.forks}"
        way = self.chance.choices(list(CHILD_WAYS), list(CHILD_WAYS.values()))[0]
        lifetime = self.chance.uniform(0, self.config.max_child)
        if way == "from_thread":
            thread = threading.Thread(target=self._fork_now, args=(key, way, lifetime))
            thread.start()
            thread.join()
        else:
            self._fork_now(key, way, lifetime)

    def _fork_now(self, key: str, way: str, lifetime: float) -> None:
        # Before the fork: a child that is killed at once has its line.
        self.tracing.record.write(fork=key, way=way)
        pid = os.fork()
        if pid == 0:
            self._be_child(key, way, lifetime)
        self.children[pid] = Child(key, way, time.monotonic() + lifetime)

    def _be_child(self, key: str, way: str, lifetime: float) -> NoReturn:
        self.children = {}
        self.threads = None
        self.tracing.forked(key)
        signal.signal(signal.SIGTERM, self._leave)
        if way == "idle":
            sys.exit(0)
        self.threads = Threads(self.tracing, 2, self.config.pace)
        self.threads.start()
        # A signal that came before its handler has only set `stopping`. Who waits to be killed or terminated does so for
        # long, but not for ever: the parent may be gone.
        end = time.monotonic() + (PATIENCE if way in ("killed", "terminated") else lifetime)
        while time.monotonic() < end and (way == "killed" or not self.stopping):
            time.sleep(SNAPSHOT_SECONDS)
            self.tracing.write_snapshot()
        if way == "os_exit":
            os._exit(OS_EXIT_CODE)
        self.threads.join()
        if way == "from_thread":
            # No exit handlers run in a child that was forked by a thread.
            self.tracing.provider.shutdown()
            self.tracing.write_account()
            os._exit(0)
        sys.exit(0)

    def _leave(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True
        if self.threads is not None:
            self.threads.stop()
        sys.exit(0)

    def _look_after_children(self) -> None:
        now = time.monotonic()
        for pid, child in list(self.children.items()):
            if now >= child.due and not child.signalled and child.way in ("killed", "terminated"):
                os.kill(pid, signal.SIGKILL if child.way == "killed" else signal.SIGTERM)
                child.signalled = True
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self.children[pid]
                self.tracing.record.write(reaped=child.key, code=os.waitstatus_to_exitcode(status))


def main() -> None:
    facts = json.loads(sys.argv[1])
    unknown = set(facts) - {field.name for field in fields(ServiceConfig)}
    if unknown:
        raise SystemExit(f"unknown settings: {sorted(unknown)}")
    Service(ServiceConfig(**facts)).run()


if __name__ == "__main__":
    main()
