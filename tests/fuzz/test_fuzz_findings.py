"""What the fuzz targets have found, each finding once, in words that a person reads faster than an input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanLimits, TracerProvider

import nanospan
from nanospan import sampling, tail
from nanospan.export._settings import environment
from nanospan.processor._settings import resolve_settings

HUGE = 10**5000
"""More digits than the interpreter writes."""

REFUSALS: dict[str, Callable[[], Any]] = {
    "max_queue_size": lambda: resolve_settings(HUGE, None, None, None, None),
    "schedule_delay_millis": lambda: resolve_settings(None, HUGE, None, None, None),
    "max_export_batch_size": lambda: resolve_settings(None, None, HUGE, None, None),
    "ratio": lambda: sampling.ConsistentProbability(HUGE),
    "precision": lambda: sampling.ConsistentProbability(0.5, precision=HUGE),
    "threshold_ms": lambda: tail.Latency(HUGE),
    "decision_wait": lambda: tail.TailSampling([tail.AlwaysSample()], decision_wait=HUGE),
    "timeout": lambda: environment.resolve_timeout(HUGE),
    "headers": lambda: environment.check_header(HUGE, ""),
}


@pytest.mark.parametrize("argument", REFUSALS)
def test_a_refusal_of_a_huge_integer_names_the_argument(argument: str) -> None:
    with pytest.raises((TypeError, ValueError), match=argument):
        REFUSALS[argument]()


def test_a_rule_with_a_huge_integer_can_be_described() -> None:
    rule = sampling.Rule(attributes={"size": HUGE}, sampler=sampling.ALWAYS_ON)
    assert rule.description == f"size=an integer of {HUGE.bit_length()} bits"


class Printable:
    def __str__(self) -> str:
        return "printed"


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "together"])
def test_text_of_an_object_is_cleaned_once_beyond_the_limit_of_attributes(at_once: bool) -> None:
    """The SDK cuts texts, and not what it makes of other objects; cleaned twice, that was cut too."""
    seen = []
    for provider in (TracerProvider, nanospan.TracerProvider):
        limits = SpanLimits(max_span_attributes=2, max_span_attribute_length=3)
        span: Any = provider(span_limits=limits, shutdown_on_exit=False).get_tracer("name").start_span("span")
        span.set_attribute("a", 1)
        attributes = {"b": "longer", "c": Printable()}
        if at_once:
            span.set_attributes(attributes)
        else:
            for key, value in attributes.items():
                span.set_attribute(key, value)
        seen.append((dict(span.attributes), span.dropped_attributes))
    assert seen[0] == seen[1] == ({"b": "lon", "c": "printed"}, 1)


@pytest.mark.parametrize("properties", [5, "ratio", [1], True])
def test_properties_that_are_no_mapping_are_a_configuration_error(properties: object) -> None:
    configuration = pytest.importorskip("opentelemetry.configuration", reason="opentelemetry-configuration is not installed")
    from nanospan.sampling.configuration.declarative import SamplerNodes

    for node in ({"nanospan_probability": properties}, {"parent_based": properties}, {"trace_id_ratio_based": properties}):
        with pytest.raises(configuration.ConfigurationError):
            SamplerNodes().own("nanospan_always_record", {"root": node}, top=True)
