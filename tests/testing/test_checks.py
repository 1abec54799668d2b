"""What the assertions on single spans find, and that a failure shows no secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk import trace as stock

import nanospan
from nanospan.contract import Conventions, Redaction
from nanospan.testing import Traces

CANARY = "c4n4ryZ9q8w7e6"


@pytest.fixture(params=[nanospan.TracerProvider, stock.TracerProvider], ids=["nanospan", "stock"])
def traced(request: pytest.FixtureRequest) -> Iterator[Traces]:
    traces = Traces(request.param(shutdown_on_exit=False))
    yield traces
    traces.close()


def work(traces: Traces, name: str = "work", children: int = 0, **attributes: Any) -> None:
    with traces.tracer.start_as_current_span(name, attributes=attributes):
        for _ in range(children):
            traces.tracer.start_span("child").end()


FAULTS: dict[str, tuple[Callable[[Traces], None], Callable[[Traces], None], str]] = {
    "deprecated": (
        lambda traces: work(traces, **{"http.method": "GET"}),
        lambda traces: traces.assert_conventions(),
        "deprecated in nanospan.testing: 'http.method' is deprecated",
    ),
    "outside the namespace": (
        lambda traces: work(traces, **{"other.key": 1}),
        lambda traces: traces.assert_conventions(Conventions(namespaces=["com.acme"])),
        "missing_attribute",
    ),
    "canary": (
        lambda traces: work(traces, note=f"plain {CANARY}"),
        lambda traces: traces.assert_no_secrets("another", CANARY),
        "'work' holds canary 2",
    ),
    "canary in the name": (
        lambda traces: work(traces, name=f"work {CANARY}"),
        lambda traces: traces.assert_no_secrets(CANARY),
        "a span holds canary 1",
    ),
    "secret": (
        lambda traces: work(traces, **{"db.password": CANARY}),
        lambda traces: traces.assert_no_secrets(),
        "'work' holds what is to be redacted: sensitive_key",
    ),
    "own rule": (
        lambda traces: work(traces, iban="DE00"),
        lambda traces: traces.assert_no_secrets(redaction=Redaction(extra_keys=["iban"])),
        "sensitive_key",
    ),
    "children": (
        lambda traces: work(traces, children=4),
        lambda traces: traces.assert_granular(max_children=3),
        "'work' has 4 children, 4 of them 'child'; at most 3 are wanted",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_with_its_place_and_without_the_secret(traced: Traces, fault: str) -> None:
    do, check, text = FAULTS[fault]
    do(traced)

    with pytest.raises(AssertionError) as failure:
        check(traced)

    assert text in str(failure.value)
    assert CANARY not in str(failure.value)


def test_spans_without_a_fault_pass(traced: Traces) -> None:
    work(traced, children=3, **{"http.request.method": "GET", "url.full": "https://shop.example/a?keep=ok"})

    traced.assert_conventions()
    traced.assert_no_secrets(CANARY)
    traced.assert_granular(max_children=3)


@pytest.mark.parametrize("argument", ["conventions", "redaction"])
def test_another_rule_is_refused(traced: Traces, argument: str) -> None:
    check: Any = traced.assert_conventions if argument == "conventions" else traced.assert_no_secrets
    with pytest.raises(TypeError, match=argument):
        check(**{argument: "default"})
