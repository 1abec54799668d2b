"""Objects of an application that raise, lie or change while they are read: each costs its own field, and is counted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from sysconfig import get_config_var
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState
from support.accounting import check_balance
from support.selection.examples import examples

import nanospan
from nanospan import tail
from nanospan.export import ExportOutcome

ERRORS = (RuntimeError, RecursionError, MemoryError, AttributeError, TypeError)


class Kept:
    """An exporter that keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []

    def export_encoded(self, batch: Any, timeout: float | None = None) -> ExportOutcome:
        self.requests.append(ExportTraceServiceRequest.FromString(bytes(batch)))
        return ExportOutcome(batch.count, 0, 0)

    def after_fork(self) -> None:
        pass

    def shutdown(self) -> None:
        pass


class Raises:
    """Every attribute, call and conversion raises."""

    def __init__(self, error: type[Exception]) -> None:
        object.__setattr__(self, "_error", error)

    def _fail(self, *_arguments: Any) -> Any:
        raise object.__getattribute__(self, "_error")("hostile")

    def __getattribute__(self, name: str) -> Any:
        raise object.__getattribute__(self, "_error")(name)

    __str__ = __repr__ = __bool__ = __len__ = __iter__ = __hash__ = __eq__ = __int__ = __index__ = _fail  # type: ignore[assignment]
    __contains__ = __getitem__ = __format__ = __call__ = _fail


class HostileMapping(Mapping[str, Any]):
    """``items()`` gives what it is told, then raises."""

    def __init__(self, items: Sequence[Any], error: type[Exception] | None) -> None:
        self._items, self._error = items, error

    def items(self) -> Iterator[Any]:  # type: ignore[override]
        yield from self._items
        if self._error is not None:
            raise self._error("hostile")

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 1


class HostileSequence(Sequence[Any]):
    def __init__(self, error: type[Exception]) -> None:
        self._error = error

    def __getitem__(self, index: Any) -> Any:
        raise self._error("hostile")

    def __len__(self) -> int:
        return 3


class Grows(Sequence[Any]):
    """Adds to a dict while that is encoded."""

    def __init__(self, owner: dict[str, Any]) -> None:
        self._owner = owner

    def __getitem__(self, index: int) -> Any:
        self._owner[f"new {len(self._owner)}"] = 1
        raise IndexError

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True


def growing() -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    attributes |= {"first": 1, "grows": Grows(attributes), "last": 2}
    return attributes


def raising(error: type[Exception]) -> Callable[[], Any]:
    return lambda: Raises(error)


STATE = TraceState([("vendor", "1")])
OWN = SpanContext(0xA, 0xB, False, TraceFlags(1), STATE)
GOOD: dict[str, Any] = {
    "name": "name",
    "parent": SpanContext(0xA, 0xC, True, TraceFlags(1)),
    "resource": Resource({"service.name": "test"}, "https://example.com/resource"),
    "instrumentation_scope": InstrumentationScope("library", "1", "https://example.com/scope", {"of": "scope"}),
    "attributes": {"a": 1, "b": ["x", "y"], "c": {"d": 2}},
    "events": [Event("event", {"k": 1}, timestamp=5)],
    "links": [Link(SpanContext(1, 2, False), {"k": 2})],
    "kind": SpanKind.CLIENT,
    "status": Status(StatusCode.ERROR, "why"),
    "start_time": 1_000,
    "end_time": 2_000,
}
MESSAGE_FIELDS = {
    "name": ("name",),
    "parent": ("parent_span_id", "flags"),
    "attributes": ("attributes", "dropped_attributes_count"),
    "events": ("events", "dropped_events_count"),
    "links": ("links", "dropped_links_count"),
    "kind": ("kind",),
    "status": ("status",),
    "start_time": ("start_time_unix_nano",),
    "end_time": ("end_time_unix_nano",),
}
"""What of the message belongs to which field of the span."""


class Property(ReadableSpan):
    """A span of which some properties raise."""

    _hostile: dict[str, type[Exception]]

    def __getattribute__(self, name: str) -> Any:
        if error := object.__getattribute__(self, "__dict__").get("_hostile", {}).get(name):
            raise error(name)
        return super().__getattribute__(name)


def sent(spans: Sequence[Any], **arguments: Any) -> tuple[list[Any], dict[str, Any]]:
    """``(resource_spans, scope_spans, span)`` of each span that arrives, in order of its id, and the account."""
    exporter = Kept()
    processor = nanospan.BatchSpanProcessor(exporter, schedule_delay_millis=600_000, max_queue_bytes=1 << 20, **arguments)
    for span in spans:
        processor.on_end(span)
    processor.shutdown()
    stats = processor.stats()
    check_balance(stats)
    arrived = [
        (resource_spans, scope_spans, span)
        for request in exporter.requests
        for resource_spans in request.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]
    return sorted(arrived, key=lambda one: one[2].span_id), stats


def check_loss(bad: ReadableSpan, fields: Sequence[str], *, loses: bool = True, **arguments: Any) -> Any:
    """Sends ``bad`` between good ones: only these fields of its message may differ from a good span's. Returns it."""
    good = [ReadableSpan(context=SpanContext(0xA, number, False, TraceFlags(1), STATE), **GOOD) for number in (0xA, 0xD)]
    arrived, stats = sent([good[0], bad, good[1]], **arguments)
    assert stats["exported"] == 3, stats
    assert (stats["detail"]["values_lost"] + stats["detail"]["values_repaired"] >= 1) == loses
    (_, _, before), (resource_spans, scope_spans, found), (_, _, after) = arrived
    assert before.attributes == after.attributes and before.events == after.events
    touched = {part for field in fields for part in MESSAGE_FIELDS.get(field, ())}
    for descriptor in found.DESCRIPTOR.fields:
        if descriptor.name not in touched | {"span_id"}:
            assert getattr(found, descriptor.name) == getattr(before, descriptor.name), descriptor.name
    if "resource" not in fields:
        assert resource_spans.resource == arrived[0][0].resource
        assert resource_spans.schema_url == "https://example.com/resource"
    if "instrumentation_scope" not in fields:
        assert scope_spans.scope == arrived[0][1].scope
    return resource_spans, scope_spans, found


HOSTILE_FIELDS = list(GOOD)
TAIL = tail.TailSampling([tail.AlwaysSample()])


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("field", HOSTILE_FIELDS)
def test_a_field_that_raises(field: str, error: type[Exception]) -> None:
    check_loss(ReadableSpan(context=OWN, **GOOD | {field: Raises(error)}), [field])


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("field", HOSTILE_FIELDS)
def test_a_property_that_raises(field: str, error: type[Exception]) -> None:
    span = Property(context=OWN, **GOOD)
    span._hostile = {field: error}
    check_loss(span, [field])


@settings(max_examples=examples(60), deadline=None)
@given(
    st.dictionaries(st.sampled_from(HOSTILE_FIELDS), st.tuples(st.booleans(), st.sampled_from(ERRORS)), min_size=1),
    st.booleans(),
)
def test_any_fields_together(hostile: dict[str, tuple[bool, type[Exception]]], by_trace: bool) -> None:
    values = {field: Raises(error) for field, (in_property, error) in hostile.items() if not in_property}
    span = Property(context=OWN, **GOOD | values)
    span._hostile = {field: error for field, (in_property, error) in hostile.items() if in_property}
    check_loss(span, list(hostile), **({"tail_sampling": TAIL} if by_trace else {}))


def test_a_context_whose_flags_cannot_be_read() -> None:
    span = Property(context=OWN, **GOOD)
    span._hostile = {"context": RuntimeError}
    arrived, stats = sent([span])
    assert (stats["exported"], len(arrived)) == (1, 1)


@pytest.mark.parametrize("missing", ["_events", "_attributes", "_status", "_resource", "_start_time"])
def test_a_field_that_was_deleted(missing: str) -> None:
    span = ReadableSpan(context=OWN, **GOOD)
    delattr(span, missing)
    check_loss(span, [missing[1:]])


MAPPINGS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "items() raises": (lambda: HostileMapping([], RuntimeError), []),
    "items() raises later": (lambda: HostileMapping([("first", 1)], RecursionError), ["first"]),
    "items of wrong lengths": (lambda: HostileMapping([("a",), ("b", 1), ("c", 1, 2), 5, ("d", 2)], None), ["b", "d"]),
    "keys that raise": (lambda: HostileMapping([(Raises(MemoryError), 1), ("b", 1)], None), ["b"]),
    "values that raise": (lambda: {"a": Raises(RecursionError), "b": 1}, ["b"]),
    "a sequence that raises": (lambda: {"a": HostileSequence(MemoryError), "b": 1}, ["b"]),
    "changes size": (growing, ["first", "grows"]),
    "no mapping": (lambda: 17, []),
}


@pytest.mark.parametrize("which", MAPPINGS)
@pytest.mark.parametrize("owner", ["span", "event", "link", "resource", "scope"])
def test_hostile_attributes(owner: str, which: str) -> None:
    make, kept = MAPPINGS[which]
    hostile = make()
    fields = dict(GOOD)
    touched = {"span": "attributes", "event": "events", "link": "links", "resource": "resource"}
    if owner == "span":
        fields["attributes"] = hostile
    elif owner == "event":
        fields["events"] = [Event("event", hostile, timestamp=5)]
    elif owner == "link":
        fields["links"] = [Link(SpanContext(1, 2, False), hostile)]
    elif owner == "resource":
        fields["resource"] = Resource({}, "https://example.com/resource")
        fields["resource"]._attributes = hostile
    else:
        fields["instrumentation_scope"] = InstrumentationScope("library", "1", "https://example.com/scope")
        fields["instrumentation_scope"]._attributes = hostile
    copied = which == "changes size" and bool(get_config_var("Py_GIL_DISABLED"))
    resource_spans, scope_spans, found = check_loss(
        ReadableSpan(context=OWN, **fields), [touched.get(owner, "instrumentation_scope")], loses=not copied
    )
    places = {"span": lambda: found, "event": lambda: found.events[0], "link": lambda: found.links[0]}
    places |= {"resource": lambda: resource_spans.resource, "scope": lambda: scope_spans.scope}
    # A build without the interpreter lock reads a copy of a dict, which nothing changes.
    assert [pair.key for pair in places[owner]().attributes] == ([*kept, "last"] if copied else kept)


@pytest.mark.parametrize("error", ERRORS)
def test_hostile_values_inside_a_map_or_list(error: type[Exception]) -> None:
    value = {"list": [1, Raises(error), 2], "map": HostileMapping([(Raises(error), 1), ("b", 2), ("c",)], None)}
    _, _, found = check_loss(ReadableSpan(context=OWN, **GOOD | {"attributes": {"v": value}}), ["attributes"])
    pairs = {pair.key: pair.value for pair in found.attributes[0].value.kvlist_value.values}
    assert [one.WhichOneof("value") for one in pairs["list"].array_value.values] == ["int_value", None, "int_value"]
    assert [pair.key for pair in pairs["map"].kvlist_value.values] == ["b"]


class Scope(InstrumentationScope):
    def __init__(self, hostile: str, error: type[Exception]) -> None:
        super().__init__("hostile", "1", "https://example.com/scope", {"of": "scope"})
        self.hostile, self.error = hostile, error

    def _read(self, name: str) -> Any:
        if name == self.hostile:
            raise self.error(name)
        return getattr(self, "_" + name)

    name = property(lambda self: self._read("name"))
    version = property(lambda self: self._read("version"))
    schema_url = property(lambda self: self._read("schema_url"))
    attributes = property(lambda self: self._read("attributes"))


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("hostile", ["name", "version", "schema_url", "attributes"])
def test_one_field_of_a_scope_that_raises(hostile: str, error: type[Exception]) -> None:
    bad = ReadableSpan(context=OWN, **GOOD | {"instrumentation_scope": Scope(hostile, error)})
    _, scope_spans, _ = check_loss(bad, ["instrumentation_scope"])
    found = {
        "name": scope_spans.scope.name,
        "version": scope_spans.scope.version,
        "schema_url": scope_spans.schema_url,
        "attributes": len(scope_spans.scope.attributes),
    }
    whole = {"name": "hostile", "version": "1", "schema_url": "https://example.com/scope", "attributes": 1}
    assert found == whole | {hostile: type(whole[hostile])()}


# --- the recursion limit ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_trace", [False, True], ids=["head", "tail"])
def test_spans_that_end_at_the_recursion_limit(by_trace: bool) -> None:
    exporter = Kept()
    arguments = {"tail_sampling": TAIL} if by_trace else {}
    processor = nanospan.BatchSpanProcessor(exporter, max_queue_size=10_000, schedule_delay_millis=600_000, **arguments)
    made = nanospan.TracerProvider(resource=Resource({"service.name": "deep", "many": ["a", "b"]}), shutdown_on_exit=False)
    made.add_span_processor(processor)
    tracer = made.get_tracer("scope", "1", "https://example.com/scope", {"of": "scope"})

    def down() -> None:
        with tracer.start_as_current_span("s") as span:
            span.add_event("e", {"a": 1})
            span.set_attribute("list", [1, 2])
            down()

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit // 2)
    try:
        with pytest.raises(RecursionError):
            down()
    finally:
        sys.setrecursionlimit(limit)
    processor.shutdown()
    stats = processor.stats()
    assert stats["dropped"]["encode_failed"] == 0
    assert stats["exported"] == stats["ended"] > 20
    for request in exporter.requests:
        for resource_spans in request.resource_spans:
            assert [pair.key for pair in resource_spans.resource.attributes] == ["service.name", "many"]
            for scope_spans in resource_spans.scope_spans:
                assert (scope_spans.scope.name, scope_spans.schema_url) == ("scope", "https://example.com/scope")


def test_a_resource_that_was_read_at_the_limit_is_whole_for_the_next_span() -> None:
    class Fickle(Resource):
        error: type[Exception] | None = RecursionError

        @property
        def attributes(self) -> Any:
            if self.error is not None:
                raise self.error
            return super().attributes

    resource = Fickle({"service.name": "fickle"})
    fields = GOOD | {"resource": resource}
    exporter = Kept()
    processor = nanospan.BatchSpanProcessor(exporter, schedule_delay_millis=600_000)
    contexts = [SpanContext(0xA, number, False, TraceFlags(1)) for number in (1, 2, 3)]
    for _ in range(600):  # more than the table keeps of pairs that nothing refers to
        processor.on_end(ReadableSpan(context=contexts[0], **fields))
    resource.error = None
    processor.on_end(ReadableSpan(context=contexts[1], **fields))
    processor.on_end(ReadableSpan(context=contexts[2], **fields))
    processor.shutdown()
    names = {
        span.span_id[-1]: [pair.key for pair in resource_spans.resource.attributes]
        for request in exporter.requests
        for resource_spans in request.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    }
    assert names == {1: [], 2: ["service.name"], 3: ["service.name"]}
    assert processor.stats()["exported"] == 602
