"""Hypothesis strategies for the arguments of the tracing API, the odd ones included."""

from __future__ import annotations

import asyncio
import enum
from collections import OrderedDict, UserDict
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags
from opentelemetry.trace.span import INVALID_SPAN_CONTEXT, TraceState

# --- values -----------------------------------------------------------------------------------------------------------


class Level(str, enum.Enum):  # noqa: UP042 (a StrEnum prints itself in another way)
    HIGH = "high"


class Size(enum.IntEnum):
    LARGE = 12


class Plain(enum.Enum):
    RED = 1


class Text(str):
    """A subclass of an accepted type, which is kept as it is."""


class Printable:
    def __str__(self) -> str:
        return "printed"


class Opaque:
    """Without a string form of its own: replaced by None."""


short_text = st.text(max_size=8)
odd_text = st.sampled_from(["", "\ud800", "a\udc00b", "ä€\U0001f600" * 3, "x" * 300, "\x00"])
texts = short_text | odd_text
odd_values = st.sampled_from(
    [
        *(2**63, -(2**63) - 1, 10**30, float("nan"), float("inf"), -0.0, 1j),
        *(Level.HIGH, Size.LARGE, Plain.RED, Text("subclass"), True, None),
        *(Decimal("1.5"), frozenset({1}), range(3), Printable(), Opaque(), Opaque, print),
    ]
)
mutable_values = st.sampled_from([bytearray(b"abc"), memoryview(b"xyz"), {1, 2}, UserDict({"a": [1]})]).map(
    lambda value: memoryview(bytes(value)) if isinstance(value, memoryview) else value.copy()
)
scalars = st.integers(-(2**63), 2**63 - 1) | st.floats() | texts | st.binary(max_size=5) | odd_values
odd_keys = st.sampled_from(["", "\ud800", Text("a"), 5, None, 0, b"bytes", ("a", 1), Level.HIGH, 1.5, Opaque])
keys = st.sampled_from(["a", "b", "c", "d", "key"]) | short_text
any_keys = keys | keys | odd_keys


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inner, max_size=3)
    return lists | lists.map(tuple) | st.dictionaries(any_keys, inner, max_size=3)


values = scalars | st.recursive(scalars | mutable_values, _nested, max_leaves=6)
full_mappings = st.dictionaries(any_keys, values, max_size=6)
mappings = full_mappings | st.one_of(*(full_mappings.map(kind) for kind in (UserDict, OrderedDict, MappingProxyType)))
attributes = st.none() | mappings

times = st.none() | st.integers(0, 10**18) | st.sampled_from([0, 1, -1, 2**63, 2**64 - 1, 2**64, 1.5e17])
names = texts | st.sampled_from([None, 17, Text("subclass")])
kinds = st.sampled_from(SpanKind) | st.sampled_from([None, "server"])
"""The first is an argument, or a tuple of the arguments of Status."""
statuses = st.one_of(
    st.tuples(st.sampled_from(StatusCode), st.none() | texts | st.just(17)),
    st.tuples(st.tuples(st.sampled_from(StatusCode), st.none() | texts | st.just(17)), st.none() | short_text),
    st.tuples(st.sampled_from([None, "ERROR", 2]), st.none() | short_text),
)

# --- contexts, links and events ---------------------------------------------------------------------------------------

trace_states = st.sampled_from([None, TraceState(), TraceState([("vendor", "1")]), TraceState([("a", "b"), ("ot", "th:8")])])
remote_contexts = st.builds(
    SpanContext,
    trace_id=st.integers(1, 2**128 - 1),
    span_id=st.integers(1, 2**64 - 1),
    is_remote=st.booleans(),
    trace_flags=st.integers(0, 255).map(TraceFlags),
    trace_state=trace_states,
)
invalid_contexts = st.sampled_from(
    [
        INVALID_SPAN_CONTEXT,
        SpanContext(0, 5, True, TraceFlags(1), TraceState([("v", "1")])),
        SpanContext(5, 0, False),
        SpanContext(2**128, 1, True),
    ]
)
contexts = remote_contexts | remote_contexts | invalid_contexts


@dataclass(frozen=True)
class LinkRecipe:
    """Makes a Link for each side, since a started span changes the links that it is given."""

    context: Any
    attributes: Any

    def make(self, given: Any) -> Link:
        return Link(self.context, given)


links = st.none() | st.lists(st.none() | st.builds(LinkRecipe, contexts, attributes), max_size=4)


@dataclass(frozen=True)
class EventRecipe:
    name: Any
    attributes: Any
    timestamp: Any

    def make(self, given: Any) -> Event:
        return Event(self.name, given, self.timestamp)


events = st.lists(st.builds(EventRecipe, names, attributes, st.integers(0, 10**18)), max_size=3)

# --- exceptions -------------------------------------------------------------------------------------------------------


class Outer:
    class Failure(Exception):
        """Has a qualified name with a dot in it."""


class Aborted(BaseException):
    """Outside of the family that is recorded on the way out."""


EXCEPTION_TYPES = (
    *(ValueError, Outer.Failure, RuntimeError, StopIteration, StopAsyncIteration, OSError, KeyError),
    *(KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, Aborted),
)


@dataclass(frozen=True)
class ExceptionRecipe:
    """Makes an exception that was really raised, the same way for each side."""

    kind: type[BaseException]
    message: str
    shape: str
    depth: int

    def make(self) -> BaseException:
        try:
            self._raise(self.depth)
        except BaseException as error:
            return error
        raise AssertionError("nothing was raised")

    def _raise(self, depth: int) -> None:
        if depth:
            self._raise(depth - 1)
        if self.shape == "cause":
            try:
                raise KeyError("the cause")
            except KeyError as cause:
                raise self.kind(self.message) from cause
        if self.shape == "context":
            try:
                raise LookupError("the context")
            except LookupError:
                raise self.kind(self.message)  # noqa: B904
        if self.shape == "group":
            raise BaseExceptionGroup("several", [self.kind(self.message), ValueError("other")])
        if self.shape == "notes":
            error = self.kind(self.message)
            error.add_note("a note")
            raise error
        raise self.kind(self.message) if self.message else self.kind


exceptions = st.builds(
    ExceptionRecipe,
    st.sampled_from(EXCEPTION_TYPES),
    texts,
    st.sampled_from(["plain", "plain", "cause", "context", "group", "notes"]),
    st.integers(0, 2),
)
unraised_exceptions = st.builds(lambda kind, message: (kind, message), st.sampled_from(EXCEPTION_TYPES), texts)

# --- the pipeline -----------------------------------------------------------------------------------------------------

SIZES = (None, -1, 0, 1, 2, 5)
"""Of SpanLimits: None for the default, -1 for no limit."""

LENGTHS = (None, None, -1, 0, 1, 3, 10)

limits = st.fixed_dictionaries(
    {
        "max_attributes": st.sampled_from(SIZES),
        "max_events": st.sampled_from(SIZES),
        "max_links": st.sampled_from(SIZES),
        "max_span_attributes": st.sampled_from(SIZES),
        "max_event_attributes": st.sampled_from(SIZES),
        "max_link_attributes": st.sampled_from(SIZES),
        "max_attribute_length": st.sampled_from(LENGTHS),
        "max_span_attribute_length": st.sampled_from(LENGTHS),
    }
)


def copy_of(value: Any) -> Any:
    """A copy of everything in ``value`` that can be changed; the rest is shared."""
    if isinstance(value, dict | UserDict):
        return type(value)({key: copy_of(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return type(value)(copy_of(item) for item in value)
    return value.copy() if isinstance(value, bytearray | set) else value


def spoil(value: Any) -> None:
    """Change everything in ``value`` that can be changed: no span may notice."""
    if isinstance(value, dict | UserDict):
        for item in value.values():
            spoil(item)
        value["a"] = "spoilt"
    elif isinstance(value, list | tuple):
        for item in value:
            spoil(item)
        if isinstance(value, list):
            value.append("spoilt")
    elif isinstance(value, bytearray | set):
        value.clear()
