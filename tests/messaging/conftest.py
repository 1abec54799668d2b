"""Fixtures of the tests of `nanospan.messaging`: both providers, the finished spans, and what was counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from support.message_spans import PROVIDERS, Recorder

import nanospan
from nanospan.messaging import stats
from nanospan.propagation import TraceContextTextMapPropagator


@pytest.fixture(params=PROVIDERS)
def provider_class(request: pytest.FixtureRequest) -> type[Any]:
    return PROVIDERS[request.param]


@pytest.fixture
def spans(provider_class: type[Any], clean_environment: None) -> Iterator[Recorder]:
    """With the propagators that belong to the provider."""
    before = propagate.get_global_textmap()
    if provider_class is nanospan.TracerProvider:
        propagate.set_global_textmap(CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()]))
    yield Recorder(provider_class)
    propagate.set_global_textmap(before)


@pytest.fixture
def counted() -> Callable[[], dict[str, int]]:
    """Returns what was counted since the test began, without the zeros."""
    before: dict[str, Any] = dict(stats())

    def since() -> dict[str, int]:
        return {name: number - before[name] for name, number in dict(stats()).items() if number != before[name]}

    return since
