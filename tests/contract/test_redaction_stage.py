"""No secret leaves in any field of a span, and what is innocent leaves as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk import trace as stock
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from support.contracted import Sent, sent_as_bytes, sent_as_objects

import nanospan
from nanospan.contract import Redaction

CANARY = "c4n4ryZ9q8w7e6r5t4"
TOKEN = "ghp_" + CANARY + "a1b2c3d4e5f6g7h8i9"
FLAGS = TraceFlags(TraceFlags.SAMPLED)

each_form = pytest.mark.parametrize("sent", [sent_as_bytes, sent_as_objects], ids=["bytes", "objects"])
each_provider = pytest.mark.parametrize(
    "provider_class", [nanospan.TracerProvider, stock.TracerProvider], ids=["nanospan", "stock"]
)


def linked(attributes: dict[str, Any] | None = None, state: TraceState | None = None) -> list[Link]:
    return [Link(SpanContext(7, 8, True, FLAGS, state), attributes)]


FIELDS: dict[str, Callable[[Any, Any, str], None]] = {
    "name": lambda span, _, secret: span.update_name(f"call {secret}"),
    "status": lambda span, _, secret: span.set_status(Status(StatusCode.ERROR, f"failed with {secret}")),
    "text": lambda span, _, secret: span.set_attribute("own.text", f"a {secret} b"),
    "sequence": lambda span, _, secret: span.set_attribute("own.list", ["a", secret]),
    "event's name": lambda span, _, secret: span.add_event(f"saw {secret}"),
    "event's attribute": lambda span, _, secret: span.add_event("e", {"x": secret}),
    "exception": lambda span, _, secret: span.record_exception(ValueError(f"bad {secret}")),
    "link's attribute": lambda span, context, secret: span.add_link(context, {"x": secret}),
    "key": lambda span, _, secret: span.set_attribute(f"own.{secret}", 1),
}


def make_spans(
    provider_class: Any, fill: Callable[[Any], None], resource: Resource | None = None, **start: Any
) -> Callable[[nanospan.BatchSpanProcessor], None]:
    def make(processor: nanospan.BatchSpanProcessor) -> None:
        provider = provider_class(resource=resource or Resource({}), shutdown_on_exit=False)
        provider.add_span_processor(processor)
        span = provider.get_tracer("scope").start_span("work", **start)
        fill(span)
        span.end()
        processor.force_flush()

    return make


@each_form
@each_provider
@pytest.mark.parametrize("field", FIELDS)
def test_a_secret_in_this_field_does_not_leave(field: str, provider_class: Any, sent: Any) -> None:
    context = SpanContext(7, 8, True, FLAGS)

    def fill(span: Any) -> None:
        FIELDS[field](span, context, TOKEN)
        span.set_attribute("keep", "ok")

    [left] = sent(make_spans(provider_class, fill), contract=[Redaction.default()])

    assert CANARY not in left.raw
    assert "REDACTED" in left.raw
    assert left.attributes["keep"] == "ok"


@each_form
@each_provider
def test_the_shared_fields_are_searched_too(provider_class: Any, sent: Any) -> None:
    resource = Resource({"process.command_args": ("run", f"--password={CANARY}"), "service.name": "shop"})
    state = TraceState([("vendor", TOKEN), ("ot", "th:8")])

    def make(processor: nanospan.BatchSpanProcessor) -> None:
        provider = provider_class(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(processor)
        tracer = provider.get_tracer(f"scope {TOKEN}", attributes={"x": TOKEN})
        parent = nanospan.NonRecordingSpan(SpanContext(7, 8, True, FLAGS, state))
        from opentelemetry.trace import set_span_in_context

        tracer.start_span("work", set_span_in_context(parent), links=linked(state=state)).end()
        processor.force_flush()

    [left] = sent(make, contract=[Redaction.default()])

    assert CANARY not in left.raw
    assert left.resource["service.name"] == "shop"
    assert left.state == "ot=th:8"


# Structures that OTLP takes but the SDK's attributes do not: a span of another class brings them.
LEAVES = st.one_of(st.just(TOKEN), st.just(TOKEN.encode()), st.just(f"https://u:{CANARY}@h/"), st.integers(), st.just("x"))
NESTED = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "password"]), inner, max_size=2),
    max_leaves=8,
)


@given(NESTED)
@settings(deadline=None)
def test_no_nesting_hides_a_secret(value: Any) -> None:
    def make(processor: nanospan.BatchSpanProcessor) -> None:
        processor.on_end(
            stock.ReadableSpan(
                "work", SpanContext(1, 2, False, FLAGS), attributes={"own": value, "keep": "ok"}, resource=Resource({})
            )
        )
        processor.force_flush()

    [left] = sent_as_bytes(make, contract=[Redaction.default()])

    assert CANARY not in left.raw
    assert left.attributes["keep"] == "ok"


INNOCENT = {
    "http.request.method": "GET",
    "url.full": "https://shop.example/a%20b?keep=ok&page=2&empty=&x=%26#top",
    "url.query": "keep=ok;other=1",
    "db.query.text": "SELECT id FROM authors WHERE token_count > $1",
    "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
    "own.uuid": "123e4567-e89b-12d3-a456-426614174000",
    "own.time_ns": 1_764_547_200_000_000_000,
    "own.ratio": 0.5,
    "own.flag": True,
    "own.many": ("a", "b"),
    "own.numbers": (1, 2),
    "own.other": "grüße 世界 😀",
}


@each_form
@each_provider
def test_what_is_innocent_leaves_unchanged(provider_class: Any, sent: Any) -> None:
    def fill(span: Any) -> None:
        span.set_attributes(INNOCENT)
        span.add_event("done", INNOCENT)
        span.set_status(Status(StatusCode.ERROR, "timeout after 5 s"))

    made = make_spans(provider_class, fill, kind=SpanKind.CLIENT, links=linked(dict(INNOCENT)))
    [plain], [left] = sent(made), sent(made, contract=[Redaction.default()])

    for left_too in ("name", "attributes", "events", "links", "status", "state", "resource", "scope"):
        assert getattr(left, left_too) == getattr(plain, left_too)


ACTIONS = {
    "mask": lambda text: text == "REDACTED",
    "drop": lambda text: text is None,
    "hash": lambda text: len(text) == 32 and CANARY not in text,
    "keep_last_4": lambda text: text == "REDACTED" + CANARY[-4:],
}


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_done_to_the_whole_value(action: str) -> None:
    hash_key = b"k" * 32 if action == "hash" else None
    rule = Redaction(action=action, hash_key=hash_key)

    [left] = sent_as_bytes(
        make_spans(nanospan.TracerProvider, lambda span: span.set_attributes({"db.password": CANARY, "keep": "ok"})),
        contract=[rule],
    )

    assert ACTIONS[action](left.attributes.get("db.password"))
    assert left.attributes["keep"] == "ok"


@each_form
def test_a_span_that_a_rule_drops_is_counted(sent: Any) -> None:
    processors = []

    def make(processor: nanospan.BatchSpanProcessor) -> None:
        processors.append(processor)
        make_spans(nanospan.TracerProvider, lambda span: span.set_attribute("db.password", CANARY))(processor)
        make_spans(nanospan.TracerProvider, lambda span: span.set_attribute("keep", "ok"))(processor)

    left: list[Sent] = sent(make, contract=[Redaction(action="drop_span")])

    assert [span.attributes for span in left] == [{"keep": "ok"}]
    stats = processors[0].stats()
    assert stats["dropped"]["contract"] == 1
    assert stats["ended"] == 2 == stats["exported"] + sum(stats["dropped"].values())


def test_the_report_names_rules_and_no_value() -> None:
    reports = []

    def make(processor: nanospan.BatchSpanProcessor) -> None:
        make_spans(nanospan.TracerProvider, lambda span: span.set_attributes({"db.password": CANARY, "x": TOKEN}))(processor)
        reports.append((processor.contract_report(), processor.stats()))

    sent_as_bytes(make, contract=[Redaction.default()])
    report, stats = reports[0]

    assert report.redaction["sensitive_key"] == 1
    assert report.redaction["service_key"] == 1
    assert report.spans_changed == 1
    assert stats["detail"]["contract"]["spans_changed"] == 1
    assert CANARY not in str(report) + repr(report)


def test_regular_expressions_are_masked_too() -> None:
    rule = Redaction(blocked_values=[r"order-\d{6}", "internal codename"])

    [left] = sent_as_bytes(
        make_spans(
            nanospan.TracerProvider,
            lambda span: span.set_attributes(
                {"a": "see order-123456", "b": "the internal codename", "c": ("order-654321",)}
            ),
        ),
        contract=[rule],
    )

    assert left.attributes == {"a": "see REDACTED", "b": "the REDACTED", "c": ("REDACTED",)}
