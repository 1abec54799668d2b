"""Faults that the stage has had: secrets that left, innocents that changed, counts that did not add up."""

from __future__ import annotations

import enum
import gc
import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk import trace as stock
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from support.contracted import BytesKept, Sent, sent_as_bytes, sent_as_objects

import nanospan
from nanospan.contract import Conventions, Redaction
from nanospan.tail import AlwaysSample, TailSampling

CANARY = "c4n4ryZ9q8w7e6r5t4"
TOKEN = "ghp_" + CANARY + "a1b2c3d4e5f6g7h8i9"
CARD = 4111111111111111
FLAGS = TraceFlags(TraceFlags.SAMPLED)
DROPS = [Redaction(action="drop_span")]

each_form = pytest.mark.parametrize("sent", [sent_as_bytes, sent_as_objects], ids=["bytes", "objects"])


def readable(name: Any = "work", *, state: TraceState | None = None, **fields: Any) -> stock.ReadableSpan:
    fields.setdefault("resource", Resource({}))
    return stock.ReadableSpan(name, SpanContext(1, 2, False, FLAGS, state), **fields)


def ending(*spans: Any) -> Callable[[nanospan.BatchSpanProcessor], None]:
    """Ends the spans; every one must be accounted for, and nothing may be raised."""

    def make(processor: nanospan.BatchSpanProcessor) -> None:
        for span in spans:
            processor.on_end(span)
        processor.force_flush()
        stats = processor.stats()
        assert stats["ended"] == len(spans) == stats["exported"] + sum(stats["dropped"].values())

    return make


def made_processor() -> nanospan.BatchSpanProcessor:
    """Its queue has room for all spans of a test: spans that find no room are not looked at."""
    return nanospan.BatchSpanProcessor(
        BytesKept(),  # type: ignore[arg-type]
        max_queue_size=16_384,
        contract=[Redaction.default(), Conventions()],
    )


Red = enum.Enum("Red", {"RED": "red"}, type=str)


class OddText(str):
    def __str__(self) -> str:
        return "***"

    __repr__ = __str__


class OddInt(int):
    def __str__(self) -> str:
        return "7"

    __repr__ = __int__ = __index__ = __str__  # type: ignore[assignment]

    def __le__(self, other: object) -> bool:
        return True

    __ge__ = __lt__ = __gt__ = __le__


class OddBytes(bytes):
    def __bytes__(self) -> bytes:
        return b"***"


class Attributes(BoundedAttributes):
    pass


SECRETS: dict[str, dict[str, Any]] = {
    "str": {"attributes": {"own": OddText(TOKEN)}},
    "int": {"attributes": {"own": OddInt(CARD)}},
    "bytes": {"attributes": {"own": OddBytes(TOKEN.encode())}},
    "key of bytes": {"attributes": {b"db.password": CANARY}},
    "subclass of str as key": {"attributes": {OddText("db.password"): CANARY}},
    "subclass of the attributes": {"attributes": Attributes(None, {"own": TOKEN})},
    "keys below a sensitive one": {"attributes": {"password": {TOKEN: "x"}}},
    "keys in a list below one": {"attributes": {"password": [{TOKEN: True}]}},
    "value of an option": {"resource": Resource({"process.command_args": ("run", "--db-password", CANARY, "--verbose")})},
    "value of an option in a list": {"attributes": {"own": [["run", "--token", CANARY]]}},
    "lone surrogate": {"attributes": {"own": f"\udcff {TOKEN} \ud800"}},
    "name": {"name": OddText(f"GET {TOKEN}")},
    "name of bytes": {"name": f"GET {TOKEN}".encode()},
    "event's name": {"events": [Event(OddText(TOKEN))]},
    "member of the trace state": {"state": TraceState([("token", CANARY), ("ot", "th:8")])},
    "link's trace state": {"links": [Link(SpanContext(7, 8, True, FLAGS, TraceState([("token", CANARY)])))]},
    "resource's schema URL": {"resource": Resource({}, f"https://u:{CANARY}@h/")},
    "scope's schema URL": {"instrumentation_scope": InstrumentationScope("s", "1", f"https://u:{CANARY}@h/")},
}


@pytest.mark.parametrize("field", SECRETS)
def test_a_secret_in_this_form_does_not_leave(field: str) -> None:
    left = sent_as_bytes(ending(readable(**SECRETS[field])), contract=[Redaction.default()])

    assert len(left) == 1
    assert CANARY not in left[0].raw
    assert CARD not in left[0].attributes.values()


@pytest.mark.parametrize("value", [b"ACME-123456", bytearray(b"ACME-123456"), [b"ACME-123456"], {"a": b"ACME-123456"}])
def test_regular_expressions_see_bytes(value: Any) -> None:
    [left] = sent_as_bytes(ending(readable(attributes={"own": value})), contract=[Redaction(blocked_values=[r"ACME-\d{6}"])])

    assert "123456" not in left.raw
    assert "REDACTED" in left.raw


INNOCENTS = {
    "enum": Red.RED,
    "str": OddText("red"),
    "int": OddInt(12345678901234),
    "bytes": OddBytes(b"red"),
    "bytearray": bytearray(b"red"),
    "options": ("run", "--verbose", "file", "--max-tokens", "5", "--token"),
    "nested": {"a": [Red.RED, {"b": OddText("red")}]},
}


# The SDK's to_json has no bytes.
@pytest.mark.parametrize(
    ("kind", "sent"),
    [(kind, sent_as_bytes) for kind in INNOCENTS] + [(kind, sent_as_objects) for kind in INNOCENTS if "byte" not in kind],
)
def test_an_innocent_of_an_odd_type_stays_as_it_is(kind: str, sent: Any) -> None:
    reports = []

    def make(processor: nanospan.BatchSpanProcessor) -> None:
        ending(readable(OddText("red"), attributes={"own": INNOCENTS[kind]}))(processor)
        reports.append(processor.contract_report())

    [left] = sent(make, contract=[Redaction.default()])
    [plain] = sent(ending(readable(OddText("red"), attributes={"own": INNOCENTS[kind]})), contract=[])

    assert (left.name, left.attributes) == (plain.name, plain.attributes)
    assert reports[0].spans_changed == 0


class Raises:
    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError

    def __str__(self) -> str:
        raise ZeroDivisionError

    def __iter__(self) -> Any:
        raise ZeroDivisionError


class Empties(list):  # type: ignore[type-arg]
    """A value whose Python code empties the mapping it stands in."""

    def __init__(self, mapping: dict[str, Any]) -> None:
        super().__init__(["a"])
        self.mapping = mapping

    def __iter__(self) -> Any:
        self.mapping.clear()
        gc.collect()
        return iter(["a"])


def emptied() -> dict[str, Any]:
    pairs: dict[str, Any] = {"db.system": "x" * 3, "own": TOKEN}
    pairs["process.command_args"] = Empties(pairs)
    pairs |= {f"http.method{n}": "y" * n for n in range(20)}
    return pairs


def deep() -> list[Any]:
    value: list[Any] = [TOKEN]
    for _ in range(5000):
        value = [value]
    return value


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {"own": TOKEN}
    value["password"] = value
    value["more"] = [value]
    return value


ODD: dict[str, Callable[[], dict[str, Any]]] = {
    "key": lambda: {"attributes": {Raises(): TOKEN}},
    "value": lambda: {"attributes": {"own": [Raises(), TOKEN]}},
    "attributes": lambda: {"attributes": Raises()},
    "events": lambda: {"events": Raises()},
    "event": lambda: {"events": [Raises(), Event(TOKEN)]},
    "link": lambda: {"links": [Raises()]},
    "status": lambda: {"status": Raises()},
    "name": lambda: {"name": Raises()},
    "mapping that empties itself": lambda: {"attributes": emptied()},
    "deep": lambda: {"attributes": {"own": deep(), "password": deep()}},
    "cyclic": lambda: {"attributes": cyclic()},
}


@pytest.mark.parametrize("mode", ["count", "rename"])
@pytest.mark.parametrize("what", ODD)
def test_what_raises_neither_reaches_the_application_nor_lets_a_secret_leave(what: str, mode: Any) -> None:
    left = sent_as_bytes(ending(readable(**ODD[what]())), contract=[Redaction.default(), Conventions(mode=mode)])

    assert not any(CANARY in span.raw for span in left)


class Changing:
    """A status whose text changes."""

    status_code = StatusCode.ERROR
    description = "fine"


def test_an_object_that_was_clean_once_is_searched_again() -> None:
    status = Changing()
    spans = [readable(status=status), readable(status=status)]

    def make(processor: nanospan.BatchSpanProcessor) -> None:
        processor.on_end(spans[0])
        status.description = f"failed with {TOKEN}"
        processor.on_end(spans[1])
        processor.force_flush()

    assert not any(CANARY in span.raw for span in sent_as_bytes(make, contract=[Redaction.default()]))


@pytest.mark.parametrize("variable", ["OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"])
@pytest.mark.parametrize("provider_class", [nanospan.TracerProvider, stock.TracerProvider], ids=["nanospan", "stock"])
def test_a_secret_that_a_limit_has_cut_does_not_leave(
    provider_class: Any, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "24")

    def make(processor: nanospan.BatchSpanProcessor) -> None:
        provider = provider_class(resource=Resource({}), shutdown_on_exit=False)
        provider.add_span_processor(processor)
        span = provider.get_tracer("scope").start_span("work")
        span.set_attributes({"text": f"called with {TOKEN}", "list": [f"called with {TOKEN}"], "fine": "f" * 40})
        span.end()
        processor.force_flush()

    [left] = sent_as_bytes(make, contract=[Redaction.default()])

    assert CANARY[:6] not in left.raw
    assert left.attributes["text"] == "called with REDACTED"
    assert left.attributes["fine"] == "f" * 24


def test_a_new_name_is_under_the_policy_too() -> None:
    rules = [Conventions(mode="rename"), Redaction(actions={"url.full": "drop", "db.system.name": "mask"})]
    span = readable(attributes={"http.url": f"http://h/{CANARY}", "db.system": "mysql"}, kind=SpanKind.CLIENT)

    [left] = sent_as_bytes(ending(span), contract=rules)

    assert left.attributes == {"server.address": "h", "db.system.name": "REDACTED"}


@each_form
def test_a_dropping_rule_leaves_attributes_of_the_resource_and_scope_out(sent: Any) -> None:
    scope = InstrumentationScope("s", "1", None, {"db.password": CANARY, "keep": "ok"})
    resource = Resource({"db.password": CANARY, "service.name": "shop"})

    left: list[Sent] = sent(ending(readable(resource=resource, instrumentation_scope=scope)), contract=DROPS)

    assert [(span.resource, span.scope[2]) for span in left] == [({"service.name": "shop"}, {"keep": "ok"})]


def test_a_changed_copy_keeps_what_the_limits_have_counted() -> None:
    few = BoundedAttributes(1, {"a": 1, "own": TOKEN})
    events, links = BoundedList(1), BoundedList(1)
    for _ in range(3):
        events.append(Event(TOKEN, BoundedAttributes(1, {"a": 1, "own": TOKEN})))
        links.append(Link(SpanContext(7, 8, True, FLAGS), BoundedAttributes(1, {"a": 1, "own": TOKEN})))
    processor = nanospan.BatchSpanProcessor(exporter := InMemorySpanExporter(), contract=[Redaction.default()])
    processor.on_end(readable(attributes=few, events=events, links=links))
    processor.force_flush()
    processor.shutdown()

    [span] = exporter.get_finished_spans()
    assert (span.dropped_attributes, span.dropped_events, span.dropped_links) == (1, 2, 2)
    assert (span.events[0].dropped_attributes, span.links[0].dropped_attributes) == (1, 1)


def test_findings_of_a_key_are_counted_on_when_the_table_starts_again() -> None:
    def make(processor: nanospan.BatchSpanProcessor) -> None:
        for n in range(6000):
            processor.on_end(readable(attributes={"http.method": "GET", f"own.{n}": n}))
        processor.force_flush()
        report = processor.contract_report()
        assert report is not None
        assert [one.count for one in report.conventions if one.key == "http.method"] == [6000]

    sent_as_bytes(make, contract=[Conventions()], max_queue_size=8192)


def test_eight_threads_with_keys_that_never_repeat() -> None:
    processor = made_processor()
    failures: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for n in range(1500):
                scope = InstrumentationScope(f"scope {n % 400}")
                attributes = {f"own.{thread}.{n}": n, "http.method": "GET", "http.route": f"/{n}"}
                processor.on_end(readable(f"name {n}", attributes=attributes, instrumentation_scope=scope))
                if n % 500 == 0:
                    processor.contract_report()
        except BaseException as error:
            failures.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    processor.force_flush()
    stats, report = processor.stats(), processor.contract_report()
    processor.shutdown()

    assert not failures
    assert stats["ended"] == 8 * 1500
    assert stats["dropped"]["encode_failed"] == 0
    assert report is not None
    assert sum(one.count for one in report.conventions if one.id == "deprecated") == 8 * 1500


def test_nothing_is_kept_of_long_keys_and_names_nor_a_reference_of_any() -> None:
    processor = made_processor()
    key, name, value = "own." + "k" * 4000, "n" * 4000, "v" * 100
    before = [sys.getrefcount(one) for one in (key, name, value)]
    for _ in range(100):
        processor.on_end(readable(name, attributes={key: value}))
    processor.force_flush()

    assert [sys.getrefcount(one) for one in (key, name, value)] == before
    processor.shutdown()


def test_a_processor_that_is_no_longer_used_is_freed() -> None:
    processor = made_processor()
    processor.on_end(readable(attributes={"own": TOKEN}))
    processor.shutdown()
    findings = weakref.ref(processor._contract.findings)  # type: ignore[union-attr]
    del processor
    gc.collect()

    assert findings() is None


def test_processors_that_share_a_policy_count_on_their_own() -> None:
    policy = Redaction(blocked_values=[r"ACME-\d{6}"])
    first, second = (nanospan.BatchSpanProcessor(BytesKept(), contract=[policy]) for _ in range(2))  # type: ignore[arg-type]
    first.on_end(readable(attributes={"db.password": CANARY, "own": "ACME-123456"}))

    counts = [processor.contract_report().redaction for processor in (first, second)]  # type: ignore[union-attr]
    first.shutdown()
    second.shutdown()

    assert [(count["sensitive_key"], count["blocked_value"]) for count in counts] == [(1, 1), (0, 0)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_counts_begin_anew_in_a_forked_child() -> None:
    processor = made_processor()
    processor.on_end(readable(attributes={"db.password": CANARY, "own": TOKEN, "http.method": "GET"}))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            report = processor.contract_report()
            clean = report is not None and not report.conventions and not any(report.redaction.values())
            os.write(writer, b"y" if clean and not report.spans_changed else b"n")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    answer = os.read(reader, 1)
    os.close(reader)
    os.close(writer)
    report = processor.contract_report()
    processor.shutdown()

    assert answer == b"y"
    assert report is not None
    assert report.redaction["sensitive_key"] == 1


def test_a_withheld_span_does_not_keep_its_trace_waiting() -> None:
    sampling = TailSampling([AlwaysSample()], decision_wait=600)
    exporter = BytesKept()
    processor = nanospan.BatchSpanProcessor(exporter, tail_sampling=sampling, contract=DROPS)  # type: ignore[arg-type]
    provider = nanospan.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("scope")
    with tracer.start_as_current_span("root"):
        withheld = tracer.start_span("child", attributes={"db.password": CANARY})
        withheld.end()
    processor.force_flush()
    stats = processor.stats()
    processor.shutdown()

    assert stats["dropped"]["contract"] == 1
    assert (stats["held"], stats["exported"], stats["ended"]) == (0, 1, 2)


def test_a_wrong_contract_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    made: list[object] = []

    class Meters:
        def get_meter(self, *args: Any, **kwargs: Any) -> Any:
            made.append(args)
            raise AssertionError

    with pytest.raises(TypeError, match="contract"):
        nanospan.BatchSpanProcessor(
            BytesKept(),  # type: ignore[arg-type]
            contract=["x"],  # type: ignore[list-item]
            meter_provider=Meters(),  # type: ignore[arg-type]
        )
    assert not made


@pytest.mark.parametrize(
    "content",
    ['{"nothing": 1}', "[1", '{"blocked_values": [' + ", ".join(f'"text{n}"' for n in range(1100)) + "]}", "[" * 20_000],
    ids=["unknown name", "no JSON", "too many texts", "too deep"],
)
def test_a_file_of_the_environment_that_cannot_be_used_gives_the_defaults(
    content: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "policy.json"
    path.write_text(content)
    monkeypatch.setenv("OTEL_PYTHON_NANOSPAN_REDACT", str(path))

    [left] = sent_as_bytes(ending(readable(attributes={"own": TOKEN})))

    assert CANARY not in left.raw
    assert len([record for record in caplog.records if "OTEL_PYTHON_NANOSPAN_REDACT" in record.getMessage()]) == 1


def test_the_parent_of_a_copy_has_no_secret_either() -> None:
    parent = SpanContext(1, 3, True, FLAGS, TraceState([("token", CANARY), ("ot", "th:8")]))
    processor = nanospan.BatchSpanProcessor(exporter := InMemorySpanExporter(), contract=[Redaction.default()])
    processor.on_end(readable(parent=parent, state=parent.trace_state))
    processor.force_flush()
    processor.shutdown()

    [span] = exporter.get_finished_spans()
    assert span.parent is not None
    assert span.parent.trace_state.to_header() == span.context.trace_state.to_header() == "ot=th:8"


@pytest.mark.parametrize("mode", ["warn", "count"])
def test_a_key_or_name_that_is_a_secret_is_in_no_log_and_no_report(mode: Any, caplog: pytest.LogCaptureFixture) -> None:
    reports = []

    def make(processor: nanospan.BatchSpanProcessor) -> None:
        over = BoundedAttributes(1, {"a": 1, f"Own.{TOKEN}": 1})
        scope = InstrumentationScope(f"scope {TOKEN}")
        ending(readable(f"GET {TOKEN}", attributes=over, instrumentation_scope=scope))(processor)
        reports.append(processor.contract_report())

    sent_as_bytes(make, contract=[Conventions(mode=mode), Redaction.default()])

    assert {one.id for one in reports[0].conventions} == {"invalid_format", "limit_reached"}
    assert CANARY not in repr(reports[0]) + str(reports[0]) + caplog.text


@each_form
@pytest.mark.parametrize("with_redaction", [False, True])
@pytest.mark.parametrize("mode", ["rename", "dup"])
def test_attributes_of_events_and_links_get_their_new_names(mode: Any, with_redaction: bool, sent: Any) -> None:
    old = {"net.peer.name": "h", "own": 1}
    span = readable(events=[Event("e", old)], links=[Link(SpanContext(7, 8, True, FLAGS), old)], kind=SpanKind.CLIENT)

    [left] = sent(ending(span), contract=[Conventions(mode=mode), *([Redaction.default()] if with_redaction else [])])

    expected = {"own": 1, "server.address": "h"} | (old if mode == "dup" else {})
    assert left.events == [("e", expected)]
    assert left.links == [expected]


@pytest.mark.parametrize(
    ("argument", "values"),
    [("blocked_values", [f"text{n}" for n in range(1100)]), ("extra_keys", [f"{n}key{n}" for n in range(5000)])],
)
def test_more_rules_than_there_is_room_for_are_refused_at_once(argument: str, values: Any) -> None:
    with pytest.raises(ValueError, match=argument):
        Redaction(**{argument: values})


def test_dup_has_room_for_all_of_128_attributes_and_their_new_names() -> None:
    old = {"http.method": "GET", "http.scheme": "https", "db.system": "mysql"}
    own = {f"own.{n}": n for n in range(125)}
    span = readable(attributes=old | own, status=Status(StatusCode.OK), kind=SpanKind.CLIENT)

    [left] = sent_as_bytes(ending(span), contract=[Conventions(mode="dup"), Redaction.default()])

    assert left.attributes == old | own | {"http.request.method": "GET", "url.scheme": "https", "db.system.name": "mysql"}
