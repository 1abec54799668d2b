"""Span limits from the environment: those of the SDK, but for blank and wrong values, which count as unset."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import SpanLimits

import nanospan
from nanospan.trace._span_limits import span_limits_from_environment

VARIABLES = [
    *("OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"),
    *("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
    *("OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT"),
]

VALID = st.sampled_from(["0", "1", "5", " 7 ", "128", "1000", str(sys.maxsize)])
BLANK = st.sampled_from(["", " "])
WRONG = st.sampled_from(["-1", "many", "1.5", "0x10", "1e3", str(sys.maxsize + 1), "9" * 5000])


@pytest.fixture(autouse=True)
def no_limits_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(st.sampled_from(VARIABLES), VALID))
def test_what_is_valid_means_what_the_sdk_takes_it_for(values: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in values.items():
            patch.setenv(variable, value)
        assert vars(span_limits_from_environment()) == vars(SpanLimits())


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.dictionaries(st.sampled_from(VARIABLES), VALID),
    wrong=st.dictionaries(st.sampled_from(VARIABLES), WRONG | BLANK, min_size=1),
)
def test_what_is_wrong_is_as_if_it_were_not_there(values: dict[str, str], wrong: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in {**values, **wrong}.items():
            patch.setenv(variable, value)
        limits = span_limits_from_environment()
        for variable in wrong:
            patch.delenv(variable)
        assert vars(limits) == vars(SpanLimits())


def test_the_provider_warns_once_and_starts(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "many")
    with caplog.at_level(logging.WARNING, "nanospan"):
        provider = nanospan.TracerProvider(shutdown_on_exit=False)
    assert [record.getMessage() for record in caplog.records] == [
        "OTEL_SPAN_EVENT_COUNT_LIMIT='many' is ignored: write an integer, 0 or more (default 128)"
    ]
    assert provider._span_limits.max_events == 128


def test_limits_that_are_given_are_taken(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "2")
    given_limits = SpanLimits(max_events=5)
    assert nanospan.TracerProvider(span_limits=given_limits, shutdown_on_exit=False)._span_limits is given_limits
    assert not caplog.records


@pytest.mark.parametrize("name", sorted(vars(SpanLimits())))
def test_limits_beyond_every_container_are_none(name: str) -> None:
    """The SDK's containers take some of them, and raise into the application for others."""
    given_limits = SpanLimits(**{name: 1 << 70})
    provider = nanospan.TracerProvider(span_limits=given_limits, shutdown_on_exit=False)
    with provider.get_tracer("test").start_as_current_span("span", attributes={"a": "text"}) as span:
        span.add_event("event", {"b": "text"})
    assert span.attributes == {"a": "text"}
    assert getattr(given_limits, name) == 1 << 70


WHOLE_MODULE = """
import os, sys
if sys.argv[1] == "nanospan":
    import nanospan
import opentelemetry.sdk.trace as module
submodules = {name for name in sys.modules if name.startswith("opentelemetry.sdk.trace.")}
print(sorted(name for name in vars(module) if "opentelemetry.sdk.trace." + name in submodules))
print(module.SPAN_ATTRIBUTE_COUNT_LIMIT, repr(os.environ.get("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT")))
"""


@pytest.mark.parametrize("value", ["many", "-1", "10%", "1.5", "64", "", None])
def test_a_wrong_limit_does_not_stop_the_import(value: str | None) -> None:
    """The SDK's module raises; it is imported whole all the same, and the variable is back."""

    def run(first: str, value: str | None) -> list[str]:
        variables = {} if value is None else {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": value}
        command = [sys.executable, "-c", WHOLE_MODULE, first]
        finished = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
        assert finished.stderr == ""
        return finished.stdout.splitlines()

    is_valid = value in ("64", "", None)
    names, limit = run("nanospan", value)
    expected_names, expected_limit = run("opentelemetry", value if is_valid else None)
    assert set(expected_names.strip("[]").split(", ")) <= set(names.strip("[]").split(", "))
    assert limit == (expected_limit if is_valid else f"128 {value!r}")
