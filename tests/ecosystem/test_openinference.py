"""openinference-instrumentation: its proxy tracer makes spans on our tracer, and finds its private names."""

from __future__ import annotations


def test_the_proxy_tracer(program):
    found = program.run("openinference_proxy.py", "openinference-instrumentation").report
    assert found["same"] is True
    assert found["is_sdk_span"] is True
    assert found["suppressed"] is False

    spans = program.collector.spans(5)
    chain, tool, fails, planner, shout = (spans[name] for name in ("chain", "tool", "fails", "planner", "shout"))
    assert chain.attributes["openinference.span.kind"] == "CHAIN"
    assert chain.attributes["session.id"] == "session-7"
    assert chain.attributes["output.value"] == "an answer"
    # Masked before it reached the span.
    assert "secret" not in str(chain.attributes)

    assert tool.parent_span_id == chain.span_id
    assert tool.attributes["tries"] == 2
    assert tool.attributes["tool.name"] == "search"
    # Derived at the end from what `span._attributes` held.
    assert tool.attributes["gen_ai.tool.name"] == "search"

    assert (fails.status, fails.status_message) == ("ERROR", "ValueError: broken")
    (event,) = fails.events
    assert event.attributes["exception.message"] == "broken"

    assert planner.attributes["openinference.span.kind"] == "AGENT"
    assert shout.parent_span_id == planner.span_id
    assert shout.attributes["output.value"] == "REST"

    # The application seeds the random module again and again; ids come from elsewhere.
    assert len({span.span_id for span in spans.values()}) == 5
    assert len({span.trace_id for span in spans.values()}) == 3
