"""mlflow: its own provider of the SDK's class."""

from __future__ import annotations

import pytest


@pytest.mark.timeout(900)  # the first time it fetches some forty packages
def test_traced_functions(program):
    assert program.run("mlflow_traces.py", "mlflow-skinny").report["result"] == 6
    spans = program.collector.spans(3)
    flow, step, fails = spans["flow"], spans["step"], spans["fails"]
    assert step.parent_span_id == flow.span_id
    assert "TOOL" in str(step.attributes["mlflow.spanType"])
    assert (step.attributes["tries"], step.attributes["mlflow.spanInputs"]) == ("2", '{"number": 2}')
    assert fails.status == "ERROR"
    assert fails.events[0].attributes["exception.message"] == "broken"
