"""One law for all carriers: `set` replaces in a copy, `get` reads the last, and neither raises whatever it is given."""

from __future__ import annotations

import copy
from collections import ChainMap, OrderedDict, UserDict
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanospan import messaging
from nanospan.messaging import (
    AMQP,
    AWS_TRACE_HEADER,
    CLOUD_EVENTS,
    CLOUD_EVENTS_HTTP,
    CLOUD_EVENTS_KAFKA,
    ENVELOPE,
    KAFKA,
    NATS,
    PUBSUB,
    REDIS_STREAM,
    SERVICE_BUS,
    SNS,
    SQS,
    TEXT_MAP,
    Carrier,
    redis_stream,
)

Entries = list[tuple[str, str]]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-11111111111111111111111111111111-2222222222222222-00"


def attribute(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def pairs(entries: Entries) -> list[tuple[str, bytes]]:
    return [(name, value.encode()) for name, value in entries]


LISTS: dict[str, Callable[[Entries], Any]] = {
    "list": pairs,
    "tuple": lambda entries: tuple(pairs(entries)),
    "dict of bytes": lambda entries: dict(pairs(entries)),
    "bytes names": lambda entries: [(name.encode(), value) for name, value in pairs(entries)],
}
MAPPINGS: dict[str, Callable[[Entries], Any]] = {
    "dict": dict,
    "OrderedDict": OrderedDict,
    "UserDict": lambda entries: UserDict(entries),
    "mappingproxy": lambda entries: MappingProxyType(dict(entries)),
    "bytes": lambda entries: {name.encode(): value.encode() for name, value in entries},
}
ATTRIBUTES: dict[str, Callable[[Entries], Any]] = {
    "sent": lambda entries: {name: attribute(value) for name, value in entries},
    "Lambda event": lambda entries: {name: {"dataType": "String", "stringValue": value} for name, value in entries},
    "notification": lambda entries: {name: {"Type": "String", "Value": value} for name, value in entries},
    "binary": lambda entries: {name: {"DataType": "Binary", "BinaryValue": value.encode()} for name, value in entries},
}
SHAPES: dict[Carrier, tuple[str, dict[str, Callable[[Entries], Any]]]] = {
    KAFKA: ("", LISTS),
    AMQP: ("", MAPPINGS),
    NATS: ("", MAPPINGS),
    REDIS_STREAM: ("", MAPPINGS),
    redis_stream("otel-"): ("otel-", MAPPINGS),
    PUBSUB: ("", MAPPINGS),
    SERVICE_BUS: ("", MAPPINGS),
    TEXT_MAP: ("", MAPPINGS),
    SQS: ("", ATTRIBUTES),
    SNS: ("", ATTRIBUTES),
}
CASES = [
    pytest.param(carrier, prefix, build, id=f"{carrier!r} {shape}")
    for carrier, (prefix, shapes) in SHAPES.items()
    for shape, build in shapes.items()
]
FIELDS = ("traceparent", "tracestate", "baggage")
ALL = {carrier for name in messaging.__all__ if isinstance(carrier := getattr(messaging, name), Carrier)}

names = st.text("abcXYZ019-_.", min_size=1, max_size=6)
texts = st.text(st.characters(codec="utf-8"), max_size=10)
values = st.text("abcxyz=,;019-", min_size=1, max_size=30).filter(lambda text: text.count(",") < 180)
chosen_fields = st.dictionaries(st.sampled_from(FIELDS), values)


def flat(headers: Any) -> list[tuple[Any, Any]]:
    return list(headers.items()) if isinstance(headers, Mapping) else list(headers)


def text(name: Any) -> Any:
    return name.decode() if isinstance(name, bytes) else name


def test_every_carrier_is_tested() -> None:
    elsewhere = {AWS_TRACE_HEADER, CLOUD_EVENTS, CLOUD_EVENTS_HTTP, CLOUD_EVENTS_KAFKA, ENVELOPE}
    assert ALL - elsewhere == {
        carrier for carrier in SHAPES if not repr(carrier).startswith("nanospan.messaging.redis_stream(")
    }
    assert all(getattr(messaging, repr(carrier).rpartition(".")[2]) is carrier for carrier in ALL)


@pytest.mark.parametrize(("carrier", "prefix", "build"), CASES)
@given(own=st.dictionaries(names, texts, max_size=7), former=chosen_fields, new=chosen_fields)
def test_the_law(
    carrier: Carrier,
    prefix: str,
    build: Callable[[Entries], Any],
    own: dict[str, str],
    former: dict[str, str],
    new: dict[str, str],
) -> None:
    own = {name: value for name, value in own.items() if name.lower().removeprefix(prefix) not in FIELDS}
    headers = build([*own.items(), *((prefix + name, value) for name, value in former.items())])
    before = copy.deepcopy(dict(headers) if isinstance(headers, MappingProxyType) else headers)

    made = carrier.set(headers, new)

    assert (dict(headers) if isinstance(headers, MappingProxyType) else headers) == before, "the caller's object has changed"
    assert type(made) is type(headers)
    written = dict(new)
    if "tracestate" in written and "traceparent" not in written:
        del written["tracestate"]
    expected = written | {
        name: value
        for name, value in former.items()
        if name not in new and not (name == "tracestate" and "traceparent" in new)
    }
    assert {name: carrier.get(made, name) for name in FIELDS} == {name: expected.get(name) for name in FIELDS}
    found = [text(name) for name, _ in flat(made)]
    assert len(found) == len(set(found)), "a field occurs twice"
    kept = [(name, value) for name, value in flat(made) if text(name) not in {prefix + name for name in FIELDS}]
    assert kept == [(name, value) for name, value in flat(headers) if text(name) in own]
    assert sorted(carrier.keys(made)) == sorted(found)


@pytest.mark.parametrize("carrier", [*SHAPES, AWS_TRACE_HEADER, CLOUD_EVENTS, CLOUD_EVENTS_HTTP, CLOUD_EVENTS_KAFKA])
def test_none_is_no_headers(carrier: Carrier) -> None:
    assert (carrier.get(None, "traceparent"), carrier.keys(None)) == (None, [])
    made = carrier.set(None, {"traceparent": PARENT})
    assert type(made) is type(carrier.empty())
    assert carrier.get(made, "traceparent") == PARENT
    assert carrier.set(None, {}) == carrier.empty()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("traceparent", b"old"), ("a", b"1"), ("traceparent", b"new")], "new"),
        ([("traceparent", b"old"), (b"traceparent", b"new")], "new"),
        ([("traceparent", b"old"), ("traceparent", None)], None),
        ([("traceparent", "text")], "text"),
        ([("traceparent", bytearray(b"text"))], "text"),
        ([("Traceparent", b"kafka tells case")], None),
        ({"traceparent": b"text"}.items(), "text"),
    ],
)
def test_the_last_of_several_kafka_headers_counts(headers: Any, expected: str | None) -> None:
    assert KAFKA.get(headers, "traceparent") == expected


def test_an_iterator_of_headers_is_not_used_up() -> None:
    """kafka's clients take any iterable; what has been read from an iterator is not in the message any more."""
    headers = iter([("traceparent", OTHER.encode()), ("k", b"v")])
    assert (KAFKA.get(headers, "traceparent"), KAFKA.keys(headers)) == (None, [])
    made = KAFKA.set(headers, {"traceparent": PARENT})
    assert made == [("k", b"v"), ("traceparent", PARENT.encode())]
    assert KAFKA.set({"k": b"v"}.items(), {"traceparent": PARENT}) == made
    assert KAFKA.set("text", {"traceparent": PARENT}) == "text"


class Insensitive(MutableMapping[str, str]):
    """As of requests: it has a ``copy``, and no ``__copy__``."""

    def __init__(self, given: Any = ()) -> None:
        self._store: dict[str, str] = dict(given)

    def __getitem__(self, key: str) -> str:
        return self._store[key.lower()]

    def __setitem__(self, key: str, value: str) -> None:
        self._store[key.lower()] = value

    def __delitem__(self, key: str) -> None:
        del self._store[key.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._store)

    def __len__(self) -> int:
        return len(self._store)


class WithCopy(Insensitive):
    def copy(self) -> WithCopy:
        return WithCopy(self._store)


@pytest.mark.parametrize("kind", [Insensitive, WithCopy, UserDict, OrderedDict, ChainMap])
def test_a_copy_of_a_mapping_shares_nothing_with_it(kind: Any) -> None:
    headers = kind({"k": "v"})
    made = TEXT_MAP.set(headers, {"traceparent": PARENT})
    assert type(made) is kind
    assert (dict(headers), dict(made)) == ({"k": "v"}, {"k": "v", "traceparent": PARENT})


def test_an_envelope_stays_readable_whatever_a_propagator_writes() -> None:
    made = ENVELOPE.set(b"payload", {"traceparent": PARENT} | {f"x-{number}": "v" * 8000 for number in range(12)})
    payload, fields = ENVELOPE.unwrap(made)
    assert (payload, fields["traceparent"], len(fields)) == (b"payload", PARENT, 9)


def test_a_forwarded_message_has_one_producer() -> None:
    received = (("traceparent", OTHER.encode()), ("tracestate", b"a=1"), ("traceparent", OTHER.encode()), ("k", b"v"))
    assert KAFKA.set(received, {"traceparent": PARENT}) == (("k", b"v"), ("traceparent", PARENT.encode()))


@pytest.mark.parametrize(
    ("carrier", "headers", "expected"),
    [
        (TEXT_MAP, {"TraceParent": "a"}, "a"),
        (TEXT_MAP, {"TraceParent": "a", "traceparent": "b"}, "b"),
        (TEXT_MAP, {"traceparent": "a", b"TRACEPARENT": b"b"}, "b"),
        (AMQP, {"Traceparent": "a"}, None),
        (AMQP, {"traceparent": b"a"}, "a"),
        (AMQP, {b"traceparent": "b", "traceparent": "a"}, "a"),
        (NATS, {"traceparent": ["a", "b"]}, "b"),
        (NATS, {"traceparent": []}, None),
        (PUBSUB, {"googclient_traceparent": "a"}, "a"),
        (PUBSUB, {"googclient_traceparent": "a", "traceparent": "b"}, "b"),
        (SERVICE_BUS, {b"Diagnostic-Id": b"a"}, "a"),
    ],
)
def test_names_in_mappings(carrier: Carrier, headers: Any, expected: str | None) -> None:
    assert carrier.get(headers, "traceparent") == expected


@pytest.mark.parametrize(("carrier", "alias"), [(PUBSUB, "googclient_traceparent"), (SERVICE_BUS, "Diagnostic-Id")])
def test_a_former_hop_under_another_name_is_replaced(carrier: Carrier, alias: str) -> None:
    assert carrier.set({alias: OTHER, "k": "v"}, {"traceparent": PARENT}) == {"k": "v", "traceparent": PARENT}
    assert carrier.set({alias: OTHER}, {"baggage": "a=b"}) == {alias: OTHER, "baggage": "a=b"}


def test_every_spelling_is_replaced_where_case_does_not_count() -> None:
    made = TEXT_MAP.set({"Traceparent": "a", b"TRACEPARENT": b"b", "TraceState": "c", "x": "y"}, {"traceparent": PARENT})
    assert made == {"x": "y", "traceparent": PARENT}


class Hostile:
    """Whatever is asked of it raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __iter__(self) -> Any:
        raise RuntimeError("iter")

    def __len__(self) -> int:
        raise RuntimeError("len")

    def __contains__(self, item: object) -> bool:
        raise RuntimeError("contains")

    def __getitem__(self, item: object) -> Any:
        raise RuntimeError("getitem")


class HostileDict(dict):  # type: ignore[type-arg]
    def __copy__(self) -> Any:
        raise RuntimeError("copy")

    def __contains__(self, item: object) -> bool:
        raise RuntimeError("contains")

    def __iter__(self) -> Any:
        raise RuntimeError("iter")


class ItselfCopied(dict):  # type: ignore[type-arg]
    def __copy__(self) -> Any:
        return self


def generator() -> Any:
    yield ("a", b"b")
    raise RuntimeError("generator")


@pytest.mark.parametrize("carrier", [*SHAPES, *ALL])
@pytest.mark.parametrize(
    "make", [Hostile, lambda: HostileDict(a="b"), lambda: 5, lambda: object(), lambda: [None, 5, ("a",), ()], generator]
)
def test_hostile_headers_raise_nothing(carrier: Carrier, make: Callable[[], Any]) -> None:
    headers = make()
    carrier.set(headers, {"traceparent": PARENT})
    assert carrier.get(headers, "traceparent") is None or carrier is KAFKA
    carrier.keys(headers)


def test_what_cannot_be_copied_is_sent_as_it_is(counted: Callable[[], dict[str, int]]) -> None:
    headers = ItselfCopied(a="b")
    assert AMQP.set(headers, {"traceparent": PARENT}) is headers
    assert headers == {"a": "b"}
    assert counted() == {"failures": 1}


@pytest.mark.parametrize("value", [b"\xff\xfe", 5, object(), [5]])
@pytest.mark.parametrize(("carrier", "build"), [(KAFKA, lambda value: [("traceparent", value)]), (AMQP, dict), (SQS, dict)])
def test_what_is_no_text_is_missing(
    carrier: Carrier, build: Any, value: object, counted: Callable[[], dict[str, int]]
) -> None:
    headers = build({"traceparent": value}) if build is dict else build(value)
    assert carrier.get(headers, "traceparent") is None
    assert counted() == {"malformed": 1}


@pytest.mark.parametrize("carrier", SHAPES)
@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"traceparent": PARENT, "tracestate": "a=" + "x" * 511}, ["traceparent"]),
        ({"traceparent": PARENT, "baggage": "a=" + "x" * 8191}, ["traceparent"]),
        ({"traceparent": PARENT, "baggage": ",".join(["a=b"] * 181)}, ["traceparent"]),
        ({"tracestate": "a=b"}, []),
        ({"traceparent": "", "tracestate": "a=b"}, []),
        ({"traceparent": PARENT + "\r\nx: y"}, []),
        ({"traceparent": PARENT, "baggage": "ü=1"}, ["traceparent"]),
        ({"traceparent": PARENT, "a b": "c"}, ["traceparent"]),
        ({"traceparent": PARENT, "x-b3-traceid": "1"}, ["traceparent", "x-b3-traceid"]),
    ],
)
def test_a_field_that_no_message_may_carry_is_left_out_and_counted(
    carrier: Carrier, fields: dict[str, str], left: list[str], counted: Callable[[], dict[str, int]]
) -> None:
    made = carrier.set(None, fields)
    assert [name for name in fields if carrier.get(made, name) is not None] == left
    assert counted() == ({"fields_left_out": len(fields) - len(left)} if len(fields) > len(left) else {})
