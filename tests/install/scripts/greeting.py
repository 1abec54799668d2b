"""A library, and an instrumentation of it."""

from __future__ import annotations

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

hooks = []


def greet() -> None:
    for hook in hooks:
        print(hook)


class GreetingInstrumentor(BaseInstrumentor):
    def instrumentation_dependencies(self):
        return []

    def _instrument(self, **kwargs):
        hooks.append(kwargs.get("hook", "default"))

    def _uninstrument(self, **kwargs):
        hooks.pop()
