"""A short soak (soak/soak.py): every span is accounted for; and the proof of it notices what does not add up."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grpc", reason="grpcio is not installed")

SOAK = Path(__file__).parents[2] / "soak"
SECONDS = 5


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SOAK / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of a soak in which everything added up."""
    folder = tmp_path_factory.mktemp("soak") / "records"
    done = run("soak.py", "--minutes", SECONDS / 60, "--pace", 0.02, "--folder", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


Lines = list[dict[str, Any]]


def read(path: Path) -> Lines:
    return [json.loads(line) for line in path.read_text().splitlines()]


def whole_batch(records: Path) -> str:
    """The spans, as they are written, of a batch that counts as exported, every span of it."""
    lines = read(records / "http-head.jsonl")
    exported = {line["settled"] for line in lines if "settled" in line and line["outcome"][1:] == [0, 0]}
    return next(line["spans"] for line in lines if line.get("batch") in exported)


def forget_acknowledgement(lines: Lines, spans: str) -> None:
    numbers = {line["request"] for line in lines if line.get("spans") == spans}
    lines[:] = [line for line in lines if line.get("answered") not in numbers]


def lose_request(lines: Lines, spans: str) -> None:
    lines[:] = [line for line in lines if line.get("spans") != spans]


def repeat_request(lines: Lines, spans: str) -> None:
    lines += [line | {"request": 10**9} for line in lines if line.get("spans") == spans]


def foreign_request(lines: Lines, spans: str) -> None:
    lines += [line | {"process": "stranger"} for line in lines if line.get("spans") == spans]


def torn_span(lines: Lines, spans: str) -> None:
    lines.append({"torn": "half of it is missing"})


def last_account(lines: Lines) -> dict[str, Any]:
    return next(line["account"] for line in reversed(lines) if "account" in line)


def miscounted_export(lines: Lines, spans: str) -> None:
    last_account(lines)["exported"] -= 1


def uncounted_drop(lines: Lines, spans: str) -> None:
    last_account(lines)["dropped"]["queue_full"] += 1


def uncounted_end(lines: Lines, spans: str) -> None:
    last_account(lines)["ended"] += 1


def lost_batch(lines: Lines, spans: str) -> None:
    number = next(line["batch"] for line in lines if "batch" in line)
    lines[:] = [line for line in lines if number not in (line.get("batch"), line.get("settled"))]


@pytest.mark.parametrize(
    ("file", "tamper"),
    [
        ("receiver.jsonl", forget_acknowledgement),
        ("receiver.jsonl", lose_request),
        ("receiver.jsonl", repeat_request),
        ("receiver.jsonl", foreign_request),
        ("receiver.jsonl", torn_span),
        ("http-head.jsonl", miscounted_export),
        ("http-tail.jsonl", uncounted_drop),
        ("grpc-head.jsonl", uncounted_end),
        ("grpc-tail.jsonl", lost_batch),
    ],
)
def test_the_proof_notices(records: Path, tmp_path: Path, file: str, tamper: Callable[[Lines, str], None]) -> None:
    folder = tmp_path / "records"
    shutil.copytree(records, folder)
    lines = read(folder / file)
    tamper(lines, whole_batch(records))
    (folder / file).write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = run("reconcile.py", folder)
    assert done.returncode == 1, done.stdout
    assert "PROBLEM" in done.stdout


def test_a_short_soak_leaves_no_span_unaccounted(records: Path) -> None:
    done = run("reconcile.py", records)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "0 spans unaccounted, 0 problems")
