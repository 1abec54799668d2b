"""What releases of the SDK before the newest lack, and how they differ where nanospan's spans have to act as theirs.

The classes have the interface of the newest release; the rest of nanospan knows no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from opentelemetry import attributes as sdk_attributes
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from nanospan._compat.parts import SDK_RELEASE

__all__ = [
    "AlwaysRecordSampler",
    "NoTracerMetrics",
    "clean_value",
    "enabled",
    "older_provider",
    "older_tracer",
    "set_clean_item",
]

# The SDK's logger: programs configure it under that name.
logger = logging.getLogger(sdk.__name__)

LEFT_OUT = object()
"""In place of a value that these releases do not store."""


# --- attributes, before 1.45 --------------------------------------------------------------------------------------------


def clean_value(key: Any, value: Any, limit: int | None) -> Any:
    """The value as a span of the release stores it; `LEFT_OUT`, with the SDK's warning, for one that it does not."""
    cleaned = sdk_attributes._clean_attribute(key, value, limit)  # type: ignore[attr-defined]
    return LEFT_OUT if cleaned is None else cleaned


def set_clean_item(attributes: BoundedAttributes, key: str, value: Any) -> None:
    """Set a value that is clean, in place of the oldest one if the container is full."""
    items = attributes._dict
    if key in items:
        del items[key]
    elif attributes.maxlen is not None and len(items) >= attributes.maxlen:
        del items[next(iter(items))]
        attributes.dropped += 1
    items[key] = value


# --- samplers, before 1.45 ----------------------------------------------------------------------------------------------


class AlwaysRecordSampler(Sampler):
    """Records the spans that another sampler drops."""

    def __init__(self, root: Sampler) -> None:
        if root is None:
            raise ValueError("root must not be None")
        self._root = root

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """The result of ``root``, with RECORD_ONLY for DROP."""
        result = self._root.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if result.decision is not Decision.DROP:
            return result
        return SamplingResult(Decision.RECORD_ONLY, result.attributes, result.trace_state)

    def get_description(self) -> str:
        return f"AlwaysRecordSampler{{{self._root.get_description()}}}"


# --- tracers and providers, before 1.41 ---------------------------------------------------------------------------------


class NoTracerMetrics:
    """In place of the metrics of spans, which 1.39 does not have."""

    def start_span(self, parent_span_context: Any, sampling_decision: Decision) -> Callable[[], None]:
        return _nothing


def _nothing() -> None:
    pass


class _Enabled:
    """In place of the configuration of a tracer, which 1.39 does not have."""

    is_enabled = True


enabled = _Enabled()


def older_tracer(stock: type[Any]) -> type[Any]:
    """A class that derives from the Tracer of the SDK before 1.41 and has the constructor of the newest."""

    class OlderTracer(stock):  # type: ignore[misc]
        def __init__(self, *arguments: Any, meter_provider: Any = None, _tracer_config: Any = None, **named: Any) -> None:
            if SDK_RELEASE < (1, 40):
                super().__init__(*arguments, **named)
                self._tracer_config = _tracer_config or enabled
                self._tracer_metrics = NoTracerMetrics()
                return
            self._tracer_config = _tracer_config or enabled
            super().__init__(*arguments, **named, meter_provider=meter_provider)

        def _set_tracer_config(self, tracer_config: Any) -> None:
            self._tracer_config = tracer_config

        def _is_enabled(self) -> bool:
            return bool(self._tracer_config.is_enabled)

    return OlderTracer


def older_provider(stock: type[Any]) -> type[Any]:
    """A class that derives from the TracerProvider of the SDK before 1.41 and has the constructor of the newest."""

    class OlderTracerProvider(stock):  # type: ignore[misc]
        # Of a provider of the SDK that `nanospan.install` makes an instance of this class, too.
        _meter_provider: Any = None
        _tracer_configurator: Any = staticmethod(lambda scope: enabled)

        def __init__(self, *arguments: Any, meter_provider: Any = None, _tracer_configurator: Any = None) -> None:
            named = {}
            if SDK_RELEASE >= (1, 40):
                named = {"meter_provider": meter_provider, "_tracer_configurator": _tracer_configurator}
            super().__init__(*arguments, **named)
            if SDK_RELEASE < (1, 40) and _tracer_configurator is not None:
                self._tracer_configurator = _tracer_configurator

        @property
        def _tracers_lock(self) -> Any:
            # One of the dict's operations, so that two threads get the same lock.
            return self.__dict__.setdefault("_own_tracers_lock", Lock())

        @property
        def _tracers(self) -> dict[Any, Any]:
            tracers: dict[Any, Any] = self.__dict__.setdefault("_own_tracers", {})
            return tracers

        def _set_tracer_configurator(self, *, tracer_configurator: Callable[[Any], Any]) -> None:
            self._tracer_configurator = tracer_configurator
            with self._tracers_lock:
                for scope, tracer in self._tracers.items():
                    tracer._set_tracer_config(self._apply_tracer_configurator(scope))

        def _apply_tracer_configurator(self, scope: Any) -> Any:
            try:
                return self._tracer_configurator(scope)
            except Exception:
                logger.exception("Failed to create a Tracer Config for %s, using default Tracer config", scope)
                return enabled

    return OlderTracerProvider
