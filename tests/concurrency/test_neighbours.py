"""`instrument_threads` beside the instrumentations of others, and in gevent: each in an environment of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.extra_packages import environment_with

SCRIPTS = Path(__file__).parent / "scripts"
RIGHT = {"tasks": ["first", "second", "none"], "thread": ["second"], "callbacks": ["second"], "held": []}
CONTRIB, SENTRY, DDTRACE = "opentelemetry-instrumentation-threading", "sentry-sdk", "ddtrace"


def steps(config: pytest.Config, requirement: str, order: str) -> list[dict[str, Any]]:
    finished = environment_with(config, requirement).run("python", str(SCRIPTS / "neighbours.py"), order)
    return [json.loads(line) for line in finished.stdout.splitlines()]


@pytest.mark.slow("installs packages")
@pytest.mark.parametrize(
    ("requirement", "order"),
    [
        (CONTRIB, "+nanospan +contrib -contrib -nanospan"),
        (CONTRIB, "+nanospan +contrib -nanospan -contrib"),
        (CONTRIB, "+contrib +nanospan -nanospan -contrib"),
        (CONTRIB, "+contrib +nanospan -contrib -nanospan"),
        (CONTRIB, "+nanospan -nanospan +nanospan +contrib -nanospan +nanospan -contrib -nanospan"),
        (SENTRY, "+nanospan +sentry -nanospan +nanospan"),
        (SENTRY, "+sentry +nanospan -nanospan +nanospan"),
        (DDTRACE, "+nanospan +ddtrace -nanospan +nanospan"),
        (DDTRACE, "+ddtrace +nanospan -nanospan +nanospan"),
    ],
)
def test_in_any_order(request: pytest.FixtureRequest, requirement: str, order: str) -> None:
    active: set[str] = set()
    for found in steps(request.config, requirement, order):
        name = found["step"][1:]
        (active.add if found["step"][0] == "+" else active.discard)(name)
        told = {key: found[key] for key in RIGHT}
        if "nanospan" in active:
            # contrib keeps the Context of a thread with the thread, as long as that lives.
            assert told == RIGHT, found
        elif "contrib" in active:
            assert told["tasks"][:2] == ["first", "second"], found
            # What A.3 of the field's reports measures: wrong callbacks, and a worker that keeps its first request.
            assert told["callbacks"] == ["first"], found
            assert told["held"] == ["first"], found
        else:
            assert told["tasks"] == ["none"] * 3, found
        assert found["ddtrace"] is ("ddtrace" in active)
        if not active:
            assert found["as_before"], found


@pytest.mark.slow("installs packages")
@pytest.mark.parametrize("patched", ["monkey", "plain"])
def test_greenlets(request: pytest.FixtureRequest, patched: str) -> None:
    found = environment_with(request.config, "gevent").run("python", str(SCRIPTS / "greenlets.py"), patched).report
    assert (found.pop("chosen"), found.pop("held")) == ("none", False)
    for name, results in found.items():
        assert set(results.values()) == {"request" if name in ("inside", "again") else "none"}, (name, results)
