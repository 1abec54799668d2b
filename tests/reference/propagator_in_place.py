"""pytest plugin for the API's own propagator tests: its ``TraceContextTextMapPropagator`` is nanospan's while they run."""

from __future__ import annotations

from collections import Counter
from typing import Any

from opentelemetry.trace.propagation import tracecontext

import nanospan.propagation

calls: Counter[str] = Counter()


def counted(name: str) -> Any:
    native = getattr(nanospan.propagation.TraceContextTextMapPropagator, name)

    def call(*arguments: Any, **named: Any) -> Any:
        calls[name] += 1
        return native(*arguments, **named)

    return call


def in_place_of(api: type) -> None:
    for name in ("extract", "inject"):
        stock = getattr(api, name)

        # What nanospan leaves to the API's class, so that the count of those shows that the rest was native.
        def fallback(*arguments: Any, name: str = name, stock: Any = stock, **named: Any) -> Any:
            calls[f"{name} by the API"] += 1
            return stock(*arguments, **named)

        setattr(nanospan.propagation.TraceContextTextMapPropagator, name, counted(name))
        setattr(api, name, fallback)
    tracecontext.TraceContextTextMapPropagator = nanospan.propagation.TraceContextTextMapPropagator  # type: ignore[misc]


in_place_of(tracecontext.TraceContextTextMapPropagator)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for name in ("extract", "inject"):
        terminalreporter.write_line(f"{name}: {calls[name]} calls, {calls[f'{name} by the API']} left to the API")
