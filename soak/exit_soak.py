"""Processes that end in every way there is, before a receiver that is up: who loses what?

    python soak/exit_soak.py --exits 1000 --disorderly 250 --seed 1 [--jobs 2] [--json result.json]

An orderly exit loses nothing. A disorderly one (SIGKILL, os._exit, a segfault, ...) loses at most what was queued, or held
by tail sampling, when it struck. No request and no span ever arrives torn. Exit status 1 if that is not so.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from exit_worker import CHILD_SUFFIX, DISORDERLY, ORDERLY
from processes import Receiver, Started, complaints
from reconcile import Proof, Received, code_of
from records import read_counters, read_lines
from spans import SPANS_IN_TRACE, is_error

from nanospan import __version__

NOISY = {"uncaught", "sigint", "exception_in_a_thread", "abort", "segfault", "segfault_while_busy"}
"""Ways that leave a traceback, as they should."""
FORKING = {"forked_child", "multiprocessing_child"}


def settings_for(number: int, way: str, chance: random.Random) -> dict[str, Any]:
    return {
        "key": f"exit-{number}",
        "way": way,
        "via": chance.choice(("http", "http", "grpc")),
        "tail": chance.random() < 0.3,
        "stock_provider": chance.random() < 0.2,
        "traces": chance.choice((0, 1, 7, 40, 120, 400)),
        "threads": chance.randint(1, 3),
        "seconds": chance.uniform(0, 0.4),
        "delay_millis": chance.choice((5, 100, 5000, 600_000)),
        # Room for all, whatever the machine's pace: what is lost here is lost by the exit.
        "queue": 200_000,
        "queue_bytes": 256 << 20,
        "tail_bytes": 128 << 20,
        "timeout": 30.0,
        "seed": chance.randrange(1 << 30),
    }


class Exit:
    """One process that has ended, and what is known of it."""

    def __init__(self, folder: Path, key: str, received: Received, tail: bool) -> None:
        self.key, self._tail = key, tail
        self._begun, self._ended_by_thread = read_counters(folder / f"{key}.counters")
        self._ended = sum(self._ended_by_thread)
        self._promised: list[int] | None = None
        self._account: dict[str, Any] | None = None
        self._before: dict[str, Any] | None = None
        self._counted = 0
        spans_of_batch: dict[int, int] = {}
        self._excused = 0  # repeats of spans whose request a fork broke off: sent again, whatever became of it
        for line in read_lines(folder / f"{key}.jsonl"):
            self._promised = line.get("promised", self._promised)
            self._account = line.get("account", self._account)
            self._before = line.get("before", self._before)
            self._counted = line.get("counted", self._counted)
            if "batch" in line:
                spans_of_batch[line["batch"]] = line["count"]
            if "interrupted" in line:
                self._excused += spans_of_batch[line["interrupted"]]
        codes = [code for request in received.requests_of(key) for code in request.spans]
        self.arrived = set(codes)
        self._repeated = len(codes) - len(self.arrived)

    def check(self, orderly: bool, proof: Proof) -> None:
        proof.counts["ended"] += self._ended
        proof.counts["arrived"] += len(self.arrived)
        if self._repeated > self._excused:
            text = f"{self.key}: {self._repeated} spans arrived twice, {self._excused} of them excused"
            proof.fail(self._repeated - self._excused, text)
        if any(code & 0xFFFFFFFF >= self._begun[code >> 32] for code in self.arrived):
            proof.fail(1, f"{self.key}: a span arrived that was never begun")
        if orderly:
            self._check_orderly(proof)
        else:
            self._check_disorderly(proof)

    def _check_orderly(self, proof: Proof) -> None:
        account = self._account
        if account is None:
            proof.fail(self._ended, f"{self.key}: no account")
            return
        lost = self._lost()
        proof.counts["lost by orderly exits"] += lost
        if lost:
            proof.fail(lost, f"{self.key}: {lost} spans that ended in time have not arrived; {account}")
        if account["exported"] != len(self.arrived):
            proof.fail(1, f"{self.key}: {account['exported']} count as exported, {len(self.arrived)} have arrived")
        late = account["dropped"]["shutdown"]
        proof.counts["ended after shutdown"] += late
        proof.counts["sampled out"] += account["sampled_out"]
        dropped = sum(account["dropped"].values()) - late
        if dropped or account["queued"] or account["held"] or (late and self._promised is None):
            proof.fail(dropped or 1, f"{self.key}: an orderly exit with {account}")

    def _lost(self) -> int:
        """Spans that ended in time and have not arrived; with tail sampling, of those the traces with an error."""
        lost = 0
        for thread, ended in enumerate(self._promised or self._ended_by_thread):
            traces, rest = divmod(ended, SPANS_IN_TRACE)
            for trace in range(traces):
                if not self._tail or is_error(self.key, thread, trace):
                    lost += SPANS_IN_TRACE - self._arrived_of(thread, trace)
            # A thread has ended only so many of its last trace when a signal, or the end, struck.
            if not self._tail:
                lost += max(0, rest - self._arrived_of(thread, traces))
        return lost

    def _arrived_of(self, thread: int, trace: int) -> int:
        first = code_of(thread, trace * SPANS_IN_TRACE)
        return sum(code in self.arrived for code in range(first, first + SPANS_IN_TRACE))

    def _check_disorderly(self, proof: Proof) -> None:
        before = self._before
        if before is None:
            proof.fail(0, f"{self.key}: ended before it should have")
            return
        proof.counts["sampled out"] += before["sampled_out"]
        lost = self._ended - len(self.arrived) - before["sampled_out"]
        most = before["queued"] + before["held"] + self._ended - self._counted
        proof.counts["lost by disorderly exits"] += max(lost, 0)
        proof.counts["queued or held, or ended since, by disorderly exits"] += most
        if lost > most:
            proof.fail(lost - most, f"{self.key}: {lost} spans lost, {most} were queued; {before}")


def run_all(folder: Path, ways: list[tuple[str, bool]], seed: int, jobs: int) -> Proof:
    """Runs one process for each of ``ways``, which say whether they are orderly; returns the proof."""
    proof = Proof()
    chance = random.Random(seed)
    all_settings = [settings_for(number, way, chance) for number, (way, _) in enumerate(ways)]
    receiver = Receiver(folder, seed, calm=True)

    def run(settings: dict[str, Any]) -> tuple[int | None, str | None]:
        settings |= {"folder": str(folder), "port": receiver.ports[settings["via"]]}
        started = Started("exit_worker.py", settings, folder)
        complaint = started.wait()
        return started.code, complaint

    try:
        with ThreadPoolExecutor(jobs) as pool:
            ends = list(pool.map(run, all_settings))
        receiver.stop()
    finally:
        receiver.kill()
    received = Received(folder / "receiver.jsonl", proof)
    for settings, (way, orderly), (code, complaint) in zip(all_settings, ways, ends, strict=True):
        proof.ends[way] += 1
        expected = (ORDERLY | DISORDERLY)[way][1]
        if complaint or code != expected:
            proof.fail(0, complaint or f"{settings['key']} ({way}) ended with {code}, not {expected}")
        for key in (settings["key"], settings["key"] + CHILD_SUFFIX):
            if (folder / f"{key}.counters").exists():
                Exit(folder, key, received, settings["tail"]).check(orderly, proof)
            elif key == settings["key"] or way in FORKING:
                proof.fail(0, f"{key} ({way}) has left no record")
    noisy = tuple(settings["key"] for settings, (way, _) in zip(all_settings, ways, strict=True) if way in NOISY)
    proof.problems += complaints(folder, noisy)
    return proof


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exits", type=int, default=1000, help="orderly ones")
    parser.add_argument("--disorderly", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument("--folder", type=Path, help="keep the records of all processes there; it must not exist")
    arguments = parser.parse_args()
    chance = random.Random(f"{arguments.seed}/ways")
    # Each way about equally often, in random order.
    ways = [(list(ORDERLY)[number % len(ORDERLY)], True) for number in range(arguments.exits)]
    ways += [(list(DISORDERLY)[number % len(DISORDERLY)], False) for number in range(arguments.disorderly)]
    chance.shuffle(ways)
    with tempfile.TemporaryDirectory(prefix="exits-", ignore_cleanup_errors=True) as temporary:
        folder = arguments.folder or Path(temporary)
        if arguments.folder:
            folder.mkdir(parents=True)
        proof = run_all(folder, ways, arguments.seed, arguments.jobs)
    for name, count in sorted(proof.ends.items()) + list(proof.counts.items()):
        print(f"  {count:>9,}  {name}")
    for problem in proof.problems:
        print(f"PROBLEM: {problem}")
    lost = proof.counts["lost by orderly exits"]
    print(
        f"{arguments.exits} orderly exits lost {lost} spans; {arguments.disorderly} disorderly ones"
        f" {proof.counts['lost by disorderly exits']}; {proof.counts['torn']} torn; {len(proof.problems)} problems;"
        f" seed {arguments.seed}"
    )
    if arguments.json:
        result: dict[str, Any] = dict(vars(proof)) | {"seed": arguments.seed, "nanospan": __version__}
        result |= {"python": platform.python_version(), "machine": platform.machine()}
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(1 if proof.unaccounted or proof.problems else 0)


if __name__ == "__main__":
    main()
