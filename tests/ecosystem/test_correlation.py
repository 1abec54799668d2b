"""Metrics and logs of the SDK that name the span they belong to, by its ids."""

from __future__ import annotations

import pytest

NO_TRACE, NO_SPAN = "0" * 32, "0" * 16


@pytest.mark.slow("makes an environment")
def test_exemplars_and_log_records_carry_the_ids(program):
    found = program.run("correlation.py", "opentelemetry-instrumentation-logging").report
    (span,) = program.collector.spans(1).values()
    ids = [span.trace_id, span.span_id]
    assert found["span"] == ids
    assert found["exemplars"] == [[*ids, 1.5]]
    flags = found["records"][0][-1]
    assert flags & 1 == 1
    handlers = 2
    within, outside = [["within", *ids, flags]], [["outside", NO_TRACE, NO_SPAN, 0]]
    assert found["records"] == within * handlers + outside * handlers
    assert found["formatted"] == [[*ids, True], ["0", "0", False]]
