"""Every span that was ever ended, against what arrived: the proof of a soak.

    python soak/reconcile.py folder        once more, for the folder that soak.py --folder has kept

For each batch of each process: what the exporter said became of it must be what the receiver said. For each process: its
spans are those of its batches, those that its account says were dropped or sampled out, and nothing else.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from records import read_counters, read_lines
from spans import SPANS_IN_TRACE, is_error, unpack

__all__ = ["ORDERLY", "ProcessProof", "Proof", "Received", "code_of", "reconcile"]

CLOCK_SLACK = 0.1
"""Seconds by which a deadline may seem to have come early: gRPC has a clock of its own."""

ORDERLY = "orderly.json"
"""Which of the processes that the driver started it left to end by themselves."""
SETTLED = ("acknowledged", "refused")
MAX_PROBLEMS = 200


@dataclass
class Request:
    """One request of one process that arrived whole."""

    number: int
    spans: frozenset[int]
    ids: dict[int, bytes]
    fate: str = "silent"
    rejected: int = 0
    doubted: bool = False
    """Whether what was said to it may not have reached the sender."""


@dataclass
class Batch:
    begun: float
    timeout: float
    spans: frozenset[int]
    outcome: tuple[int, int, int] | None = None
    """Exported, rejected, failed; None if the process ended before it was known."""
    ended: float = 0.0
    interrupted: int = 0
    """Requests of it that a fork broke off: what was said to them is not known to the sender."""

    @property
    def timed_out(self) -> bool:
        return self.ended - self.begun >= self.timeout - CLOCK_SLACK


@dataclass
class Proof:
    """The sums over all processes, and everything that does not add up."""

    problems: list[str] = field(default_factory=list)
    unaccounted: int = 0
    """Spans that no rule explains."""
    counts: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    """How many processes ended in which way."""

    def fail(self, spans: int, text: str) -> None:
        self.unaccounted += spans
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)


def code_of(thread: int, number: int) -> int:
    return thread << 32 | number


def _thread_of(code: int) -> int:
    return code >> 32


def _number_of(code: int) -> int:
    return code & 0xFFFFFFFF


class Received:
    """The receiver's journal, by process."""

    def __init__(self, path: Path, proof: Proof) -> None:
        self._requests: dict[str, list[tuple[int, str]]] = {}
        self._answers: dict[int, tuple[str, int]] = {}
        self._doubted: set[int] = set()
        for line in read_lines(path):
            if "request" in line:
                self._requests.setdefault(line["process"], []).append((line["request"], line["spans"]))
                proof.counts["requests"] += 1
            elif "answered" in line:
                self._answers[line["answered"]] = (line["fate"], line["rejected"])
                proof.counts[f"requests {line['fate']}"] += 1
            elif "doubted" in line:
                self._doubted.add(line["doubted"])
            elif "torn" in line:
                proof.fail(1, f"torn: {line['torn']}")
                proof.counts["torn"] += 1
            elif "cut_off" in line:
                proof.counts["requests cut off"] += 1
            elif "outage" in line:
                proof.counts["outages"] += 1

    @property
    def processes(self) -> set[str]:
        return set(self._requests)

    def requests_of(self, process: str) -> list[Request]:
        requests = []
        for number, packed in self._requests.get(process, []):
            ids = {code_of(thread, index): span_id for thread, index, span_id in unpack(packed)}
            fate, rejected = self._answers.get(number, ("silent", 0))
            requests.append(Request(number, frozenset(ids), ids, fate, rejected, number in self._doubted))
        return requests


class ProcessProof:
    """What one process wrote down, and the receiver about it."""

    def __init__(self, folder: Path, key: str, received: Received, proof: Proof) -> None:
        self.key, self.proof = key, proof
        self.batches: dict[int, Batch] = {}
        self.account: dict[str, Any] | None = None
        self.snapshot: dict[str, Any] | None = None
        self.account_ended = 0
        self.tail = False
        self.first: dict[str, Any] | None = None
        self.begun, ended = read_counters(folder / f"{key}.counters")
        self.ended = sum(ended)
        self.requests = received.requests_of(key)
        self.children: dict[str, str] = {}
        self.codes: dict[str, int] = {}
        for line in read_lines(folder / f"{key}.jsonl"):
            self._read(line)

    def _read(self, line: dict[str, Any]) -> None:
        if "batch" in line:
            spans = [code_of(thread, number) for thread, number, _ in unpack(line["spans"])]
            batch = Batch(line["at"], line["timeout"], frozenset(spans))
            self.batches[line["batch"]] = batch
            if not len(spans) == len(batch.spans) == line["count"]:
                self._fail(abs(len(spans) - line["count"]) or 1, f"batch {line['batch']} holds a span twice, or miscounts")
        elif "settled" in line:
            batch = self.batches[line["settled"]]
            batch.outcome = tuple(line["outcome"])
            batch.ended = line["at"]
        elif "interrupted" in line:
            self.batches[line["interrupted"]].interrupted += 1
        elif "account" in line:
            self.account, self.account_ended = line["account"], line["ended"]
        elif "snapshot" in line:
            self.snapshot = line["snapshot"]
        elif "fork" in line:
            self.children[line["fork"]] = line["way"]
        elif "reaped" in line:
            self.codes[line["reaped"]] = line["code"]
        elif "problem" in line:
            self._fail(0, line["problem"])
        elif "process" in line:
            self.tail, self.first = line["tail"], line.get("first")

    def _fail(self, spans: int, text: str) -> None:
        self.proof.fail(spans, f"{self.key}: {text}")

    def check(self, orderly: bool) -> set[int]:
        """Checks everything about the process; returns the spans of it that arrived."""
        counts = self.proof.counts
        counts["processes"] += 1
        counts["ended"] += self.ended
        arrived = self._check_requests()
        batched = self._check_batches()
        if stray := arrived - batched:
            self._fail(len(stray), f"{len(stray)} spans arrived that were in no batch")
        if self.first is not None:
            numbers = [value for value in (self.first | self.first["dropped"]).values() if isinstance(value, int)]
            if any(numbers):
                self._fail(self.first["ended"] or 1, f"a forked child that begins with {self.first}")
        if orderly:
            self._check_account(batched)
        else:
            self._check_loss(batched)
        counts["arrived"] += len(arrived)
        return arrived

    def _check_requests(self) -> set[int]:
        """Spans that arrived; each has begun, keeps its id, and was sent again only for a reason."""
        settled: dict[int, Request] = {}
        self._excuses = {number: batch.interrupted for number, batch in self.batches.items()}
        self._batch_of = {code: number for number, batch in self.batches.items() for code in batch.spans}
        ids: dict[int, bytes] = {}
        for request in self.requests:
            again = ids.keys() & request.spans
            self.proof.counts["arrived again"] += len(again)
            if changed := [code for code in again if ids[code] != request.ids[code]]:
                self._fail(len(changed), f"{len(changed)} spans arrived again under another id")
            repeated = [code for code in again if code in settled and not settled[code].doubted]
            if repeated:
                fate = settled[repeated[0]].fate
                if not self._excused(repeated):
                    self._fail(len(repeated), f"{len(repeated)} spans were sent again after they were {fate}")
                # What was said then is not known to the sender: what it does next follows from what is said from here on.
                for code in repeated:
                    del settled[code]
            ids.update(request.ids)
            if request.fate in SETTLED:
                settled.update(dict.fromkeys(request.spans, request))
        if len(set(ids.values())) != len(ids):
            self._fail(len(ids) - len(set(ids.values())), "spans share an id")
        unborn = [code for code in ids if _number_of(code) >= self.begun[_thread_of(code)]]
        if unborn:
            self._fail(len(unborn), f"{len(unborn)} spans arrived that were never begun")
        return set(ids)

    def _excused(self, repeated: list[int]) -> bool:
        """Whether a fork broke off the request before, each excusing one repeat; called in the order of arrival."""
        numbers = {self._batch_of.get(code, 0) for code in repeated}
        if len(numbers) != 1 or not self._excuses.get(number := numbers.pop()):
            return False
        self._excuses[number] -= 1
        self.proof.counts["sent again after a fork broke off what was settled"] += len(repeated)
        return True

    def _check_batches(self) -> set[int]:
        """Spans that were handed to the exporter, each once, with the outcome that the receiver's answers explain."""
        acknowledged: set[int] = set()
        for request in self.requests:
            if request.fate == "acknowledged":
                acknowledged |= request.spans
        bearers: dict[int, list[Request]] = {}
        for request in self.requests:
            for code in request.spans:
                bearers.setdefault(code, []).append(request)
        batched: set[int] = set()
        for number, batch in self.batches.items():
            if twice := batched & batch.spans:
                self._fail(len(twice), f"{len(twice)} spans were in an earlier batch than {number} too")
            batched |= batch.spans
            if batch.outcome is not None:
                requests = {id(one): one for code in batch.spans for one in bearers.get(code, ())}
                self._check_outcome(number, batch, acknowledged & batch.spans, list(requests.values()))
        return batched

    def _check_outcome(self, number: int, batch: Batch, acknowledged: set[int], requests: list[Request]) -> None:
        exported, rejected, failed = batch.outcome or (0, 0, 0)
        size = len(batch.spans)
        counts = self.proof.counts
        if exported + rejected + failed != size:
            self._fail(abs(size - exported - rejected - failed), f"batch {number} of {size} came to {batch.outcome}")
        counts["exported"] += exported
        counts["requests broken off by a fork"] += batch.interrupted
        counts["rejected"] += rejected
        counts["export_failed"] += failed
        said_rejected = sum(request.rejected for request in requests if request.fate == "acknowledged")
        unseen = len(acknowledged) - exported - rejected
        if unseen < 0:
            self._fail(-unseen, f"batch {number}: {-unseen} spans were never acknowledged, but count as {batch.outcome}")
        excused = batch.timed_out or any(request.doubted for request in requests)
        # Of each request that a fork broke off, what the receiver said to it went unheard.
        taken = sorted((len(request.spans) for request in requests if request.fate == "acknowledged"), reverse=True)
        if unseen > sum(taken[: batch.interrupted]) and not excused:
            self._fail(unseen, f"batch {number}: {unseen} acknowledged spans count as {batch.outcome}")
        counts["acknowledged in vain"] += max(unseen, 0)
        if rejected > said_rejected or (rejected < said_rejected and not (excused or batch.interrupted)):
            self._fail(abs(rejected - said_rejected), f"batch {number}: {said_rejected} rejected, counted {rejected}")

    def _settled(self) -> tuple[int, int, int]:
        outcomes = [batch.outcome for batch in self.batches.values() if batch.outcome is not None]
        return tuple(map(sum, zip(*outcomes, strict=True))) if outcomes else (0, 0, 0)  # type: ignore[return-value]

    def _check_account(self, batched: set[int]) -> None:
        """The process ended in an orderly way and wrote its account: every span is where that says."""
        account = self.account
        if account is None:
            self._fail(self.ended, "ended in an orderly way and wrote no account")
            return
        exported, rejected, failed = self._settled()
        under_way = sum(len(batch.spans) for batch in self.batches.values() if batch.outcome is None)
        dropped = dict(account["dropped"])
        for name, stated, found in (
            ("ended", account["ended"], self.account_ended),
            ("ended", account["ended"], self.ended),
            ("begun and not ended", 0, sum(self.begun) - self.ended),
            ("exported", account["exported"], exported),
            ("rejected", account["rejected"], rejected),
            ("export_failed", dropped.pop("export_failed"), failed),
            ("held", account["held"], 0),
            ("queued", account["queued"], 0),
            ("under way at the end", 0, under_way),
        ):
            if stated != found:
                self._fail(abs(stated - found), f"{name}: the account says {stated}, and {found} were found")
        gone = sum(dropped.values()) + account["sampled_out"]
        missing = self.ended - len(batched)
        if gone != missing:
            self._fail(abs(gone - missing), f"{missing} spans were in no batch, and the account explains {gone}")
        self.proof.dropped.update(dropped)
        self.proof.counts["sampled_out"] += account["sampled_out"]
        self.proof.counts["under way at the end"] += under_way
        if self.tail:
            self._check_traces(batched, account)

    def _check_traces(self, batched: set[int], account: dict[str, Any]) -> None:
        """With room and time enough every error is kept, and no trace by halves."""
        traces = account["detail"]["tail"]
        if traces["traces_decided_early"] or traces["traces_queue_full"] or traces["traces_decided_by_time"]:
            return
        if traces["late_spans_kept"] or traces["late_spans_dropped"] or account["dropped"]["shutdown"]:
            return
        for thread, begun in enumerate(self.begun):
            for trace in range(begun // SPANS_IN_TRACE):
                first = trace * SPANS_IN_TRACE
                kept = sum(code_of(thread, first + offset) in batched for offset in range(SPANS_IN_TRACE))
                if kept not in (0, SPANS_IN_TRACE):
                    self._fail(kept, f"{kept} spans of trace {thread}/{trace} were kept")
                if not kept and is_error(self.key, thread, trace):
                    self._fail(SPANS_IN_TRACE, f"trace {thread}/{trace} has an error and was not kept")
                self.proof.counts["tail traces checked"] += 1

    def _check_loss(self, batched: set[int]) -> None:
        """The process was killed. What it held at its last snapshot, and ended since, is the most that may be lost."""
        threads = sum(1 for begun in self.begun if begun)
        settled = sum(self._settled())
        known: dict[str, Any] = self.snapshot or {
            "ended": 0,
            "queued": 0,
            "held": 0,
            "exported": 0,
            "rejected": 0,
            "sampled_out": 0,
            "dropped": {},
        }
        placed = sum(known[name] for name in ("queued", "held", "exported", "rejected", "sampled_out"))
        if (balance := known["ended"] - placed - sum(known["dropped"].values())) != 0:
            self._fail(abs(balance), f"the last snapshot does not balance: {known}")
        told = known["exported"] + known["rejected"] + known["dropped"].get("export_failed", 0)
        if told > settled:
            self._fail(told - settled, f"the last snapshot counts {told} spans as sent, their batches only {settled}")
        if known["ended"] > self.ended + threads:
            self._fail(known["ended"] - self.ended, f"the last snapshot counts {known['ended']} ended, of {self.ended}")
        gone = known["sampled_out"] + sum(known["dropped"].values()) - known["dropped"].get("export_failed", 0)
        lost = self.ended - settled - gone
        most = known["queued"] + known["held"] + self.ended - known["ended"]
        if lost > most + threads:
            self._fail(lost - most, f"{lost} spans were lost with the process, of at most {most} queued or held")
        if self.ended + threads < len(batched):
            self._fail(len(batched) - self.ended, "more spans in batches than were ended")
        self.proof.counts["in killed processes, neither settled nor counted"] += max(lost, 0)
        self.proof.dropped.update({name: spans for name, spans in known["dropped"].items() if name != "export_failed"})
        self.proof.counts["sampled_out"] += known["sampled_out"]


def reconcile(folder: Path, orderly: dict[str, bool], proof: Proof | None = None) -> Proof:
    """The proof for the records in ``folder``. ``orderly`` says of each process started by the driver whether it was left
    to end by itself; their forked children are found in their records."""
    proof = proof or Proof()
    received = Received(folder / "receiver.jsonl", proof)
    written = {path.stem for path in folder.glob("*.counters")}
    for stranger in sorted(received.processes - written):
        proof.fail(1, f"spans of {stranger}, which has left no record")
    unseen = set(written)
    for key, well in orderly.items():
        if key not in written:
            if well:
                proof.fail(0, f"{key} has left no record")
            continue
        unseen.discard(key)
        process = ProcessProof(folder, key, received, proof)
        process.check(well)
        proof.ends["orderly" if well else "killed"] += 1
        for child, way in process.children.items():
            if child not in written:
                code = process.codes.get(child)
                if code != EXPECTED_CODES["killed"] and (well or code is not None):
                    proof.fail(0, f"{child} ({way}) ended with {code} before its first line")
                proof.ends["killed before its first line"] += 1
                continue
            unseen.discard(child)
            _check_child(ProcessProof(folder, child, received, proof), way, process.codes.get(child), well, proof)
    for key in sorted(unseen):
        proof.fail(1, f"{key}: nobody has written that it was started")
    return proof


EXPECTED_CODES = {"killed": -9, "os_exit": 7}


def _check_child(child: ProcessProof, way: str, code: int | None, parent_well: bool, proof: Proof) -> None:
    expected = EXPECTED_CODES.get(way, 0)
    if code is None and not parent_well:
        # Killed with its parent, before or after its own end.
        child.check(orderly=child.account is not None)
        proof.ends["child killed with its parent"] += 1
        return
    if code != expected:
        proof.counts["crashes"] += 1
        proof.fail(0, f"{child.key} ({way}) ended with {code}, not {expected}")
    child.check(orderly=way not in EXPECTED_CODES and code == 0)
    proof.ends[f"child {way}"] += 1


if __name__ == "__main__":
    found = reconcile(Path(sys.argv[1]), json.loads((Path(sys.argv[1]) / ORDERLY).read_text()))
    for text in found.problems:
        print(f"PROBLEM: {text}")
    print(f"{found.unaccounted} spans unaccounted, {len(found.problems)} problems")
    sys.exit(1 if found.unaccounted or found.problems else 0)
