"""The shapes in which users of other tracers report that they lose Contexts, or find spans in the wrong trace.

Each is shown to go wrong with the SDK alone or with contrib's threading instrumentation beside it, and to be right with
nanospan's provider and `instrument_threads`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.extra_packages import environment_with

SCRIPT = Path(__file__).parent / "scripts" / "reported.py"
PACKAGES = ("fastapi>=0.115,<0.137", "httpx<1", "asgiref~=3.0", "anyio~=4.0", "opentelemetry-instrumentation-threading")


class Shape(NamedTuple):
    report: str
    """Where it is reported."""
    elsewhere: str
    """With what it goes wrong: the "stock" provider alone, or "contrib"'s instrumentation beside it."""
    wrong: Any
    right: Any


def of_tokens(report: str) -> Shape:
    """Three tokens, which the API logs with a traceback each; nothing stays current."""
    told = {"complaints": 3, "counted": 0, "current": "none"}
    return Shape(report, "stock", told, {"complaints": 0, "counted": 3, "current": "none"})


def of_workers(report: str) -> Shape:
    """Each task has its own request's Context everywhere, but the worker holds the request that started it."""
    tasks = ["first", "second", "none"]
    return Shape(report, "contrib", {"tasks": tasks, "held": ["first"]}, {"tasks": tasks, "held": []})


SHAPES = {
    "an async generator closed by another task": of_tokens("opentelemetry-python 2606; adk-python 4894, 6559"),
    "an async generator left to the loop": of_tokens("openllmetry 3061; openinference 1769; agno 3220"),
    "a generator closed by the garbage collector": of_tokens("opentelemetry-python 2606; logfire 1424"),
    "a FastAPI dependency with yield": of_tokens("fastapi 953, 2776, 13453"),
    "a streaming response from a generator": of_tokens("opentelemetry-python 2606; starlette iterate_in_threadpool"),
    "a long-lived task collects everybody's spans": Shape(
        "ogx 5168; sentry-python 5268, 5989",
        "stock",
        {"of the first request": ["first", "write first", "write second", "write third"], "linked to it": False},
        {"of the first request": ["first"], "linked to it": True},
    ),
    "a background task's children outlive their parent": Shape(
        "opentelemetry-python-contrib 4251, 3586", "stock", {"noticed": {}}, {"noticed": {"child.late": 1}}
    ),
    "ThreadPool: every task has the pool maker's context": Shape(
        "measured", "contrib", ["makes the pool", "makes the pool"], ["first", "second"]
    ),
    "a callback has the context of the worker's first task": Shape("measured", "contrib", "first", "registers"),
    "a ThreadPoolExecutor's worker keeps its first request": of_workers("measured"),
    "anyio.to_thread: a worker keeps its first request": of_workers("anyio 1224; trio 3472; solara 1182"),
    "run_in_threadpool: a worker keeps its first request": of_workers("anyio 1224"),
    "asgiref: a worker keeps its first request": of_workers("asgiref 564"),
    "ProcessPoolExecutor: every task has the first submitter's context": Shape(
        "measured", "stock", ["first", "first"], ["first", "second"]
    ),
    "multiprocessing.Pool: every task has the pool maker's context": Shape(
        "opencensus-python 363", "stock", ["makes the pool", "makes the pool"], ["first", "second"]
    ),
    "a child process begins a trace of its own": Shape("opentelemetry-python 4609, 5097", "stock", False, True),
}


@pytest.fixture(scope="module")
def answers(request: pytest.FixtureRequest) -> Callable[[str], dict[str, Any]]:
    """What the script says of each shape in a mode; it runs once for each."""
    known: dict[str, dict[str, Any]] = {}

    def of(mode: str) -> dict[str, Any]:
        if mode not in known:
            known[mode] = environment_with(request.config, *PACKAGES).run("python", str(SCRIPT), mode).report
        return known[mode]

    return of


@pytest.mark.slow("installs packages")
@pytest.mark.parametrize("name", SHAPES)
def test_wrong_elsewhere_and_right_here(answers: Callable[[str], dict[str, Any]], name: str) -> None:
    shape = SHAPES[name]
    assert answers(shape.elsewhere)[name] == shape.wrong
    assert answers("nanospan")[name] == shape.right


@pytest.mark.slow("installs packages")
def test_every_shape_is_here(answers: Callable[[str], dict[str, Any]]) -> None:
    assert list(answers("nanospan")) == list(SHAPES)
