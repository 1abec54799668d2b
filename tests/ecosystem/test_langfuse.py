"""langfuse: a processor derived from the SDK's."""

from __future__ import annotations

import pytest


@pytest.mark.timeout(900)
def test_observations(program):
    found = program.run("langfuse_observations.py", "langfuse").report
    assert found["result"] == 6
    assert ("nanospan.processor.BatchSpanProcessor" in found["kinds"]) == (
        "nanospan.trace.TracerProvider" in found["providers"]
    )
    spans = program.collector.spans(3)
    outer, inner, generation = spans["outer"], spans["inner"], spans["generation"]
    assert inner.parent_span_id == outer.span_id
    assert outer.attributes["langfuse.observation.type"] == "agent"
    assert generation.attributes["langfuse.observation.output"] == "answer"
    assert generation.attributes["langfuse.observation.model.name"] == "m"
