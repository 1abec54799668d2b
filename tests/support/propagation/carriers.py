"""What the tests of the propagator have in common: carriers of many kinds, and all that can be seen of a call."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter, Setter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context
from opentelemetry.trace.propagation import tracecontext as api
from support.propagation.reference import Level2Propagator
from support.selection.examples import examples

from nanospan import propagation

OURS = propagation.TraceContextTextMapPropagator()
THEIRS = api.TraceContextTextMapPropagator()
# What ours should answer.
RIGHT = Level2Propagator()
thoroughly = settings(max_examples=examples(500), suppress_health_check=[HealthCheck.too_slow])
# What headers.HEADER says.
REMOTE = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, True, TraceFlags(1))


# --- what can be seen of a call ---------------------------------------------------------------------------------------


class Records(logging.Handler):
    """The log records of the API that this thread makes, as far as they do not say where in the source they come from."""

    _entered = 0
    _entering = threading.Lock()
    _propagated = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Any, ...]] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.seen.append((record.name, record.levelname, record.getMessage()))

    def __enter__(self) -> Records:
        logger = logging.getLogger("opentelemetry")
        logger.addHandler(self)
        with Records._entering:
            if Records._entered == 0:
                Records._propagated, logger.propagate = logger.propagate, False
            Records._entered += 1
        return self

    def __exit__(self, *exception: object) -> None:
        logger = logging.getLogger("opentelemetry")
        logger.removeHandler(self)
        with Records._entering:
            Records._entered -= 1
            if Records._entered == 0:
                logger.propagate = Records._propagated


def described(value: Any) -> Any:
    """A value taken apart down to what two runs have in common, with the type of everything."""
    if isinstance(value, NonRecordingSpan):
        return type(value), [(name, described(field)) for name, field in vars(value).items()]
    if isinstance(value, SpanContext):
        return type(value), [described(field) for field in value], vars(value), repr(value), hash(tuple(value)[:4])
    if isinstance(value, TraceState):
        return TraceState, list(value.items()), value.to_header()
    if isinstance(value, Mapping):
        return type(value), [(name, described(field)) for name, field in value.items()]
    return type(value), value


def outcome(call: Callable[[], Any]) -> tuple[Any, ...]:
    """The result or the exception, and what was logged."""
    with Records() as records:
        try:
            result = described(call())
        except Exception as error:
            result = type(error), str(error)
    return result, records.seen


# --- carriers, getters, setters: each made anew for each propagator ---------------------------------------------------


class Text(str):
    """A str that is not exactly one."""


class Headers(dict[str, Any]):
    """A dict that is not exactly one: it answers to names in any case."""

    def get(self, name: str, default: Any = None) -> Any:
        return {key.lower(): value for key, value in self.items()}.get(name.lower(), default)

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name.title(), value)


class Mapped(MutableMapping[str, Any]):
    """A mapping that is no dict at all."""

    def __init__(self, items: Mapping[str, Any]) -> None:
        self.inner = dict(items)

    def __getitem__(self, name: str) -> Any:
        return self.inner[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.inner[name] = value

    def __delitem__(self, name: str) -> None:
        del self.inner[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.inner)

    def __len__(self) -> int:
        return len(self.inner)


class OnceGetter(Getter[Any]):
    """Takes each value out as it reads it, so that whoever asks twice gets another answer; keeps what it was asked."""

    def __init__(self, shape: Callable[[Any], Any]) -> None:
        self.shape = shape
        self.asked: list[str] = []

    def get(self, carrier: Any, key: str) -> Any:
        self.asked.append(key)
        value = carrier.pop(key, None)
        return None if value is None else self.shape(value)

    def keys(self, carrier: Any) -> list[str]:
        return list(carrier)


class KeptSetter(Setter[list[Any]]):
    def set(self, carrier: list[Any], key: str, value: str) -> None:
        carrier.append((key, value, type(value)))


SHAPES: dict[str, Callable[[list[str]], Any]] = {
    "first": lambda texts: texts[0] if texts else "",
    "list": list,
    "tuple": tuple,
    "iterator": iter,
    "none": lambda texts: None,
    "mixed": lambda texts: [*texts, 7],
    "subclass": lambda texts: Text(texts[0] if texts else ""),
    "subclasses": lambda texts: [Text(text) for text in texts],
    "bytes": lambda texts: [text.encode("utf-8", "replace") for text in texts],
    "number": lambda texts: 7,
    "dict": lambda texts: dict.fromkeys(texts),
}
GETTER_SHAPES: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda value: value,
    "list": lambda value: [value] if isinstance(value, str) else value,
    "tuple": lambda value: (value,),
}
shapes = st.sampled_from(["first", "first", "first", "list", "list", *SHAPES])
CARRIERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "dict": dict,
    "headers": Headers,
    "mapping": Mapped,
    "proxy": MappingProxyType,
}
carrier_kinds = st.sampled_from(["dict", "dict", "dict", *CARRIERS])


def contexts() -> st.SearchStrategy[Callable[[], Any]]:
    class SubclassedContext(Context):
        pass

    earlier = set_span_in_context(NonRecordingSpan(SpanContext(1, 2, False)), Context({"a": 1}))
    return st.sampled_from(
        [
            lambda: None,
            Context,
            lambda: Context({"a": 1, "b": [2]}),
            lambda: Context({**earlier, "b": 2}),
            lambda: SubclassedContext({"a": 1}),
            lambda: {"a": 1},
            dict,
            lambda: "no context",
        ]
    )
