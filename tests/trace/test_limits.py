"""Span limits from the environment: those of the SDK, but for wrong values."""

from __future__ import annotations

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import SpanLimits

import nanospan
from nanospan.trace._span_limits import _ARGUMENTS, span_limits_from_environment

VALID = st.sampled_from(["", " ", "0", "1", "5", " 7 ", "128", "1000"])
WRONG = st.sampled_from(["-1", "many", "1.5", "0x10", "1e3"])


@pytest.fixture(autouse=True)
def no_limits_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in _ARGUMENTS:
        monkeypatch.delenv(variable, raising=False)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(st.sampled_from(sorted(_ARGUMENTS)), VALID))
def test_what_is_valid_means_what_the_sdk_takes_it_for(values: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in values.items():
            patch.setenv(variable, value)
        assert vars(span_limits_from_environment()) == vars(SpanLimits())


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.dictionaries(st.sampled_from(sorted(_ARGUMENTS)), VALID),
    wrong=st.dictionaries(st.sampled_from(sorted(_ARGUMENTS)), WRONG, min_size=1),
)
def test_what_is_wrong_is_as_if_it_were_not_there(values: dict[str, str], wrong: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in {**values, **wrong}.items():
            patch.setenv(variable, value)
        limits = span_limits_from_environment()
        for variable in wrong:
            patch.delenv(variable)
        expected = vars(SpanLimits())
    for variable, (argument, default) in _ARGUMENTS.items():
        if variable in wrong:
            expected[argument] = None if default == SpanLimits.UNSET else default
    # A general limit that is wrong is its default, which is what the particular ones then fall back on.
    if "max_attribute_length" in {_ARGUMENTS[variable][0] for variable in wrong}:
        expected.pop("max_span_attribute_length")
    assert expected.items() <= vars(limits).items()


def test_the_provider_warns_once_and_starts(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "many")
    with caplog.at_level(logging.WARNING, "nanospan"):
        provider = nanospan.TracerProvider(shutdown_on_exit=False)
    assert [record.getMessage() for record in caplog.records] == [
        "OTEL_SPAN_EVENT_COUNT_LIMIT must be a non-negative integer, not 'many': using 128"
    ]
    assert provider._span_limits.max_events == 128


def test_limits_that_are_given_are_taken(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "2")
    given_limits = SpanLimits(max_events=5)
    assert nanospan.TracerProvider(span_limits=given_limits, shutdown_on_exit=False)._span_limits is given_limits
    assert not caplog.records
