"""A tail sampler that is fed by a head sampler which drops traces: one warning, which names the way out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import sampling as sdk
from opentelemetry.sdk.trace.sampling import Sampler

import nanospan
from nanospan import tail
from nanospan._compat.stock import AlwaysRecordSampler
from nanospan.export.http import OTLPSpanExporter
from nanospan.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_ON,
    Adaptive,
    AlwaysRecord,
    ConsistentProbability,
    LinksBased,
    OverheadBudget,
    ParentBased,
    RateLimited,
    Rule,
    RuleBased,
    TraceIdRatioBased,
)


class Foreign(Sampler):
    def should_sample(self, *arguments: Any, **named: Any) -> Any:
        raise NotImplementedError

    def get_description(self) -> str:
        return "Foreign"


DROPPING = [
    ConsistentProbability(0.01),
    TraceIdRatioBased(0.5),
    ALWAYS_OFF,
    RateLimited(5),
    Adaptive(5),
    LinksBased(TraceIdRatioBased(0.5)),
    RuleBased([Rule(name="a", sampler=ALWAYS_ON)], default=ConsistentProbability(0.5)),
    sdk.TraceIdRatioBased(0.5),
    sdk.ParentBasedTraceIdRatio(0.5),
    sdk.ALWAYS_OFF,
]
RECORDING = [
    None,
    ALWAYS_ON,
    DEFAULT_ON,
    ConsistentProbability(1.0),
    TraceIdRatioBased(1.0),
    sdk.DEFAULT_ON,
    AlwaysRecord(ParentBased(ConsistentProbability(0.01))),
    AlwaysRecordSampler(sdk.ParentBasedTraceIdRatio(0.5)),
    RuleBased([Rule(name="GET /health", sampler=ALWAYS_OFF)], default=ALWAYS_ON),
    Foreign(),
]


@pytest.fixture
def processors() -> Iterator[list[nanospan.BatchSpanProcessor]]:
    made = [
        nanospan.BatchSpanProcessor(
            OTLPSpanExporter("http://127.0.0.1:9/v1/traces"), tail_sampling=tail.TailSampling([tail.StatusCode("ERROR")])
        ),
        nanospan.BatchSpanProcessor(OTLPSpanExporter("http://127.0.0.1:9/v1/traces")),
    ]
    yield made
    for processor in made:
        processor.shutdown()


def warnings_for(sampler: Sampler | None, processors: list[Any], caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.WARNING, "nanospan"):
        provider = nanospan.TracerProvider(sampler, shutdown_on_exit=False)
        for processor in processors:
            provider.add_span_processor(processor)
    return [record.getMessage() for record in caplog.records if record.name.startswith("nanospan")]


def test_a_budget_drops(processors: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    # Not in the list: spans are timed while there is one.
    assert len(warnings_for(OverheadBudget(0.05), processors, caplog)) == 1


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("sampler", DROPPING, ids=lambda sampler: type(sampler).__name__)
def test_a_head_that_drops(sampler: Sampler, wrapped: bool, processors: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    sampler = ParentBased(sampler) if wrapped else sampler
    (warning,) = warnings_for(sampler, processors, caplog)
    assert "AlwaysRecord" in warning and sampler.get_description() in warning
    assert warnings_for(sampler, processors[1:], caplog) == []


@pytest.mark.parametrize("sampler", RECORDING, ids=lambda sampler: type(sampler).__name__)
def test_a_head_that_records(sampler: Sampler | None, processors: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    assert warnings_for(sampler, processors, caplog) == []
