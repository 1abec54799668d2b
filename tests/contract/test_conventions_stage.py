"""The native stage finds and changes in a span what the plain model of the conventions does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk import trace as stock
from opentelemetry.trace import SpanKind
from support.contracted import sent_as_bytes, sent_as_objects

import nanospan
from nanospan.contract import Conventions
from nanospan.contract.conventions import MODES, Checker
from nanospan.contract.conventions._registry import registry

_REGISTRY = registry((1, 45))
OWN_KEYS = ["http.route", "url.path", "own.key", "com.acme.x", "Bad-Format", "http.request.header.accept", "db.system.name"]
KEYS = sorted({*_REGISTRY.attributes, *_REGISTRY._steps, *OWN_KEYS})
VALUES = st.one_of(
    st.sampled_from(["GET", "/users/42", "/users/{id}", "http://example.com/a?b=c", "mysql", "1.1", "ip_tcp", "gemini"]),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.integers(-5, 700),
    st.booleans(),
    st.floats(allow_nan=False),
    st.lists(st.text(st.characters(codec="utf-8"), max_size=3), max_size=2).map(tuple),
)
ATTRIBUTES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6)
SPANS = st.tuples(
    st.sampled_from(["GET", "GET /users/42", "GET /users/{id}", "work"]),
    st.sampled_from(list(SpanKind)),
    ATTRIBUTES,
    ATTRIBUTES,
)


@pytest.mark.parametrize("sent", [sent_as_bytes, sent_as_objects], ids=["bytes", "objects"])
@pytest.mark.parametrize("provider_class", [nanospan.TracerProvider, stock.TracerProvider], ids=["nanospan", "stock"])
@given(st.sampled_from(MODES), st.lists(SPANS, min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_the_stage_agrees_with_the_model(provider_class: Any, sent: Any, mode: str, spans: list[Any]) -> None:
    conventions = Conventions(mode=mode, namespaces=["com.acme"])  # type: ignore[arg-type]
    reports = []

    def make_spans(processor: nanospan.BatchSpanProcessor) -> None:
        provider = provider_class(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        tracer = provider.get_tracer("scope", "1.2")
        for name, kind, attributes, of_event in spans:
            span = tracer.start_span(name, kind=kind, attributes=attributes)
            span.add_event("event", of_event)
            span.end()
        processor.force_flush()
        reports.append(processor.contract_report())

    left = sent(make_spans, contract=[conventions])

    checker = Checker(conventions)
    for name, kind, attributes, of_event in spans:
        checker.check_span("scope", name, kind.value, attributes, [of_event])
    expected = {(one.id, one.key) for one in checker.findings.report()}
    assert {(one.id, one.key) for one in reports[0].conventions if one.scope == "scope"} == expected
    assert [span.attributes for span in left] == [
        conventions._apply_plain(attributes, kind.value) for _, kind, attributes, _ in spans
    ]
