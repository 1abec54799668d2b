"""The SDK's own ``tests/trace``, from the sdist of the installed release, with nanospan's classes in place of the SDK's."""

from __future__ import annotations

# Test id -> why it cannot pass. Each is named in docs/limitations.md with the same reason.
EXCEPTIONS: dict[str, str] = {}


def test_what_passes_with_the_sdk_passes_with_nanospan(reference_sdist, reference_packages, sdk_series, run_suite):
    source = reference_sdist("opentelemetry-sdk")
    helpers = reference_packages(f"opentelemetry-test-utils{sdk_series}", needs=False)

    stock, native = run_suite(source, ["tests/trace"], [helpers])

    assert len(stock.passed) >= 250, stock.output
    lost = stock.passed - native.passed
    assert not lost - EXCEPTIONS.keys(), native.describe(lost - EXCEPTIONS.keys())
    assert not EXCEPTIONS.keys() - lost, f"pass now, or are gone: {EXCEPTIONS.keys() - lost}"
    # Every span was one of nanospan's in the one run, as many as the SDK's in the other.
    assert set(native.spans) == {"native"}, native.output
    assert set(stock.spans) == {"other"}, stock.output
    assert native.spans["native"] == stock.spans["other"]
