"""Random calls, made to both implementations in lock step; see ``machine.py`` for what is called and compared."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from opentelemetry.sdk import trace as sdk
from support.parity.implementation import STOCK, Implementation
from support.parity.machine import ParityMachine
from support.selection.examples import examples

SETTINGS = settings(
    deadline=None,
    max_examples=examples(200),
    stateful_step_count=40,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def run(left: Implementation, right: Implementation, **changed: Any) -> None:
    machine = type("Machine", (ParityMachine,), {"left": left, "right": right})
    run_state_machine_as_test(machine, settings=settings(SETTINGS, **changed))


def test_stock_shows_the_same_as_stock() -> None:
    """Whatever differs here is a fault of the machine."""
    run(STOCK, STOCK, max_examples=examples(30))


def test_native_shows_the_same_as_stock(native_implementation: Implementation) -> None:
    run(STOCK, native_implementation)


# --- the machine can fail ---------------------------------------------------------------------------------------------


class WrongSpan(sdk._Span):
    """Right in all but what a subclass changes."""


class IgnoresOk(WrongSpan):
    def set_status(self, status: Any, description: str | None = None) -> None:
        self._status = sdk.Status()
        super().set_status(status, description)


class ForgetsTimestamps(WrongSpan):
    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        super().add_event(name, attributes, timestamp or None)


class KeepsTheCallersList(WrongSpan):
    def set_attribute(self, key: str, value: Any) -> None:
        super().set_attribute(key, value)
        if isinstance(value, list) and key in (self._attributes or {}) and self.is_recording():
            self._attributes._dict[key] = value


class SilentWhenEnded(WrongSpan):
    def update_name(self, name: str) -> None:
        if self.is_recording():
            super().update_name(name)


class EndsTwice(WrongSpan):
    def end(self, end_time: int | None = None) -> None:
        if self._end_time is not None and end_time is not None:
            self._end_time = end_time
        super().end(end_time)


class CountsNoLinks(WrongSpan):
    @property
    def dropped_links(self) -> int:
        return 0


class KeepsInvalidLinks(WrongSpan):
    def add_link(self, context: Any, attributes: Any = None) -> None:
        if self.is_recording() and context is not None and not context.is_valid:
            self._links.append(sdk.trace_api.Link(context, attributes))
        else:
            super().add_link(context, attributes)


WRONG = [IgnoresOk, ForgetsTimestamps, KeepsTheCallersList, SilentWhenEnded, EndsTwice, CountsNoLinks, KeepsInvalidLinks]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_the_machine_notices(wrong: type[sdk.Span], monkeypatch: pytest.MonkeyPatch) -> None:
    class Tracer(sdk.Tracer):
        def start_span(self, *args: Any, **kwargs: Any) -> Any:
            with monkeypatch.context() as patch:
                patch.setattr(sdk, "_Span", wrong)
                return super().start_span(*args, **kwargs)

    class Provider(sdk.TracerProvider):
        def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
            tracer = super().get_tracer(*args, **kwargs)
            tracer.__class__ = Tracer
            return tracer

    implementation = Implementation(wrong.__name__, Provider, Tracer, wrong, STOCK.non_recording_class)
    with pytest.raises(AssertionError, match=wrong.__name__):
        run(STOCK, implementation, max_examples=200, phases=[Phase.generate])
