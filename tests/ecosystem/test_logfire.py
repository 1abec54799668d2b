"""logfire: its wrapper around spans, its own processors, and its tail sampling."""

from __future__ import annotations

LOGFIRE = "logfire"


def test_wrapped_spans(program):
    found = program.run("logfire_wrapper.py", LOGFIRE).report
    assert found["borrowed"] is True
    assert found["is_sdk_span"] is True

    spans = program.collector.spans(5)
    outer, hello, inner, fails, decorated = (
        spans[name] for name in ("outer {number}", "hello", "renamed", "fails", "decorated")
    )
    assert outer.service == "fire"
    assert outer.attributes["logfire.msg"] == "outer 3"
    assert outer.attributes["number"] == 3
    assert hello.parent_span_id == outer.span_id
    # Scrubbed in a span that its processor has built anew from ours.
    assert "hunter2" not in str(hello.attributes)
    assert "Scrubbed" in hello.attributes["password"]
    assert inner.parent_span_id == outer.span_id
    assert inner.attributes["key"] == "value"
    assert [(event.name, event.attributes) for event in inner.events] == [("noted", {"where": "inside"})]
    assert fails.status == "ERROR"
    assert fails.events[0].attributes["exception.message"] == "broken"
    assert fails.attributes["logfire.level_num"] == 17
    assert decorated.attributes["inside"] is True


def test_tail_sampling_keeps_the_traces_with_errors(program):
    program.run("logfire_wrapper.py", LOGFIRE, case="tail")
    assert set(program.collector.spans(1)) == {"fails"}


def test_the_delay_of_a_running_processor_is_set(program):
    found = program.run("logfire_batch.py", LOGFIRE).report
    assert (found["before"], found["after"]) == (100.0, 600000.0)
    assert found["flushed"] is True
    assert found["same_exporter"] is True
    assert ("nanospan" in found["kind"]) == ("nanospan.trace.TracerProvider" in found["providers"])
    assert len(program.collector.spans(12)) == 12
