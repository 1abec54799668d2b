"""The pytest plugin: the fixture ``traces``. pytest loads it by the entry point ``nanospan``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import trace

from nanospan._compat.sdk import global_tracer_provider
from nanospan.testing.traces import Traces
from nanospan.trace import TracerProvider


@pytest.fixture
def traces() -> Iterator[Traces]:
    """The spans of this test, in memory: those of the global provider, nanospan's or the SDK's.

    Where none is set, a provider of nanospan is the global one from then on.
    """
    provider = global_tracer_provider()
    if provider is None:
        provider = TracerProvider(shutdown_on_exit=False)
        trace.set_tracer_provider(provider)
    recorded = Traces(provider)
    yield recorded
    recorded.close()
