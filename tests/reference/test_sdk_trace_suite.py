"""The SDK's own ``tests/trace``, from the sdist of the installed release, with nanospan's classes in place of the SDK's."""

from __future__ import annotations

import pytest

# Test id -> why it cannot pass. Each is named in docs/limitations.md with the same reason.
EXCEPTIONS = {
    "tests/trace/test_trace.py::TestSpanLimits::test_span_no_limits_env": "a blank variable counts as unset",
}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("samplers", ["0", "1"], ids=["spans", "samplers too"])
def test_what_passes_with_the_sdk_passes_with_nanospan(
    reference_sdist, reference_packages, sdk_series, compare_suite, monkeypatch, samplers
):
    monkeypatch.setenv("NANOSPAN_IN_PLACE_SAMPLERS", samplers)
    source = reference_sdist("opentelemetry-sdk")
    helpers = reference_packages(f"opentelemetry-test-utils{sdk_series}", needs=False)

    suite = compare_suite(source, ["tests/trace"], [helpers])

    assert len(suite.stock.passed) >= 250, suite.stock.output
    lost = suite.lost()
    assert not lost - EXCEPTIONS.keys(), suite.native.describe(lost - EXCEPTIONS.keys())
    assert not EXCEPTIONS.keys() - lost, f"pass now, or are gone: {EXCEPTIONS.keys() - lost}"
    suite.check_spans()
