"""The whole runtime for a set time before a receiver that fails at random, with forks and kills; then: where is every span?

    python soak/soak.py --minutes 30 --seed 1 [--json result.json] [--folder keep/it/here]

Four services run all the time (HTTP and gRPC, head ALWAYS_ON and tail sampling), each with threads and with children that
it forks and kills; a fifth place is taken in turn by services that live for seconds. Exit status 1 if a span is
unaccounted for, a process crashed or hung, or the memory of a long service grew.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from processes import Receiver, Started, complaints, is_flat, resident_bytes
from reconcile import ORDERLY, Proof, reconcile

from nanospan import __version__

MIN_MINUTES_FOR_MEMORY = 4.0
"""Before that a service is still warming up: buffers, arenas, the pages of its queue."""
SAMPLE_SECONDS = 1.0
LONG_QUEUE_BYTES = 4 << 20
"""Of the services that run all the time. Small: a queue keeps pages that it has touched, and these are to be touched all
before the memory is judged."""
MAX_CHILD = 6.0
MAX_BRIEF = 8.0
BRIEF_WAYS = {"killed": 3, "terminated": 2, "returns": 2}


class Soak:
    def __init__(self, folder: Path, seconds: float, seed: int, **settings: Any) -> None:
        """``settings``: of all services, see `service.ServiceConfig`."""
        self.folder, self.seconds, self.seed, self.settings = folder, seconds, seed, settings
        self.settings["max_child"] = min(MAX_CHILD, seconds / 4)
        self.chance = random.Random(seed)
        self.receiver = Receiver(folder, seed)
        self.orderly: dict[str, bool] = {}
        self.resident: dict[str, list[int]] = {}
        self.problems: list[str] = []
        self.crashes = 0
        self._brief: Started | None = None
        self._brief_way = ""
        self._brief_due = 0.0
        self._briefs = 0

    def _start(self, key: str, via: str, tail: bool, **settings: Any) -> Started:
        settings |= self.settings | {"folder": str(self.folder), "key": key, "seed": self.seed}
        settings |= {"via": via, "port": self.receiver.ports[via], "tail": tail}
        return Started("service.py", settings, self.folder)

    def run(self) -> dict[str, int]:
        """Returns how often each fault struck."""
        services: list[Started] = []
        try:
            for via in ("http", "grpc"):
                for tail in (False, True):
                    timeout = self.chance.uniform(2.0, 4.0)
                    key = f"{via}-{'tail' if tail else 'head'}"
                    services.append(self._start(key, via, tail, timeout=timeout, queue_bytes=LONG_QUEUE_BYTES))
            self._watch(services)
            if self._brief is not None:
                self._end_brief()
            for service in services:
                if service.code is None:
                    service.terminate()
            for service in services:
                self._take_note(service)
            return self.receiver.stop()
        finally:
            for service in [*services, *([self._brief] if self._brief else [])]:
                if service.code is None:
                    service.kill()
            self.receiver.kill()

    def _watch(self, services: list[Started]) -> None:
        began = time.monotonic()
        next_sample = next_line = began
        while (now := time.monotonic()) < began + self.seconds:
            if now >= next_sample:
                next_sample = now + SAMPLE_SECONDS
                for service in services:
                    if (resident := resident_bytes(service.pid)) is not None:
                        self.resident.setdefault(service.key, []).append(resident)
            if now >= next_line:
                next_line = now + 60
                sizes = ", ".join(f"{key} {samples[-1] >> 20}" for key, samples in self.resident.items())
                print(f"  {(now - began) / 60:5.1f} min   resident MiB: {sizes}", flush=True)
            self._look_after_brief(now)
            time.sleep(0.05)

    # --- services that live for seconds ---------------------------------------------------------------------------

    def _look_after_brief(self, now: float) -> None:
        if self._brief is None:
            self._begin_brief(now)
        elif self._brief.code is not None or (self._brief_way != "returns" and now >= self._brief_due):
            self._end_brief()

    def _begin_brief(self, now: float) -> None:
        chance = self.chance
        self._briefs += 1
        self._brief_way = chance.choices(list(BRIEF_WAYS), list(BRIEF_WAYS.values()))[0]
        lifetime = chance.uniform(0.5, min(MAX_BRIEF, 0.5 + self.seconds / 3))
        self._brief_due = now + lifetime
        self._brief = self._start(
            f"brief-{self._briefs}",
            chance.choice(("http", "grpc")),
            chance.random() < 0.5,
            timeout=chance.choice((1.0, 2.5, 8.0)),
            queue=chance.choice((64, 2048, 100_000)),
            tail_bytes=chance.choice((1 << 20, 4 << 20)),
            tail_traces=chance.choice((1, 2000)),
            delay_millis=chance.choice((20, 500, 5000)),
            threads=chance.randint(1, 4),
            fork_every=chance.choice((0, 1.0)),
            stock_provider=chance.random() < 0.2,
            lifetime=lifetime if self._brief_way == "returns" else 1e9,
        )

    def _end_brief(self) -> None:
        brief, self._brief = self._brief, None
        assert brief is not None
        if brief.code is None and self._brief_way == "killed":
            brief.kill()
        elif brief.code is None and self._brief_way == "terminated":
            brief.terminate()
        self._take_note(brief)

    def _take_note(self, service: Started) -> None:
        if complaint := service.wait():
            self.problems.append(complaint)
        code = service.code
        expected = -9 if service.killed else 0
        # SIGTERM may come while it still imports, before it has its handler.
        early = service.key.startswith("brief") and code == -15 and not (self.folder / f"{service.key}.counters").exists()
        if code != expected and not early:
            self.crashes += 1
            self.problems.append(f"{service.key} ended with {code}, not {expected}")
        self.orderly[service.key] = code == 0


def memory(soak: Soak) -> dict[str, dict[str, Any]]:
    judged = soak.seconds >= 60 * MIN_MINUTES_FOR_MEMORY
    figures: dict[str, dict[str, Any]] = {}
    for key, samples in soak.resident.items():
        flat, grown = is_flat(samples)
        kibibytes = [size >> 10 for size in samples[:: max(1, len(samples) // 60)]]
        figures[key] = {"flat": flat if judged else None, "grown_kib": grown >> 10, "resident_kib": kibibytes}
    return figures


def print_summary(result: dict[str, Any]) -> None:
    def table(title: str, counts: dict[str, int]) -> None:
        print(title)
        for name, count in counts.items():
            print(f"  {count:>12,}  {name}")

    table("spans and requests", result["counts"])
    table("dropped, by reason", result["dropped"])
    table("ends of processes", result["ends"])
    table("faults", result["faults"])
    print("resident memory of the long services, last quarter against the second")
    for key, figures in result["memory"].items():
        verdict = {None: "not judged, too short", True: "flat", False: "NOT FLAT"}[figures["flat"]]
        print(f"  {figures['grown_kib']:>+10,} KiB  {key}, {figures['resident_kib'][-1]:,} KiB at the end: {verdict}")
    for problem in result["problems"]:
        print(f"PROBLEM: {problem}")
    print(
        f"{result['unaccounted']} spans unaccounted, {result['crashes']} crashes, {len(result['problems'])} problems;"
        f" {result['minutes']:g} minutes, seed {result['seed']}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pace", type=float, default=0.04, help="mean seconds between two traces of a thread")
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument("--folder", type=Path, help="keep the records of all processes there; it must not exist")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as temporary:
        folder = arguments.folder or Path(temporary)
        if arguments.folder:
            folder.mkdir(parents=True)
        print(f"soak of {arguments.minutes:g} minutes, seed {arguments.seed}")
        soak = Soak(folder, 60 * arguments.minutes, arguments.seed, pace=arguments.pace)
        faults = soak.run()
        (folder / ORDERLY).write_text(json.dumps(soak.orderly))
        proof = reconcile(folder, soak.orderly, Proof(soak.problems))
        proof.problems += complaints(folder)
    result: dict[str, Any] = dict(vars(proof))
    result["crashes"] = soak.crashes + result["counts"].pop("crashes", 0)
    result |= {"faults": faults, "memory": memory(soak), "minutes": arguments.minutes, "seed": arguments.seed}
    result |= {"nanospan": __version__, "python": platform.python_version(), "machine": platform.machine()}
    print_summary(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    grown = any(figures["flat"] is False for figures in result["memory"].values())
    sys.exit(1 if proof.unaccounted or proof.problems or result["crashes"] or grown else 0)


if __name__ == "__main__":
    main()
