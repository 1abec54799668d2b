"""traceloop-sdk: assigns methods on instances of processors."""

from __future__ import annotations

import pytest

# It imports httpx and does not require it.
TRACELOOP = ("traceloop-sdk", "httpx")


@pytest.mark.timeout(900)  # the first time it fetches some fifty packages
@pytest.mark.parametrize("case", ["one processor", "two processors", "callback"])
def test_assigned_methods_are_called(program, case):
    found = program.run("traceloop_assigned.py", *TRACELOOP, case=case).report
    spans = program.collector.spans(2)
    flow, step = spans["flow.workflow"], spans["step.task"]
    assert step.parent_span_id == flow.span_id
    # Set by the function that the library has put in the place of on_start.
    assert step.attributes["traceloop.workflow.name"] == "flow"
    assert step.attributes["traceloop.association.properties.user"] == "u-1"
    assert step.attributes["secret"] == ("***" if case == "callback" else "hunter2")
    assert found["started"] == (["flow.workflow", "step.task"] if case == "two processors" else [])
