"""The tests that OpenTelemetry's packages bring along, from their sdists, with nanospan's classes under the stock names.

What passes with the stock classes passes with nanospan's, but for the tests that are named here with their reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import distributions, version
from pathlib import Path

import pytest

from nanospan._install.names import OWN

PRIVATE = "reads private attributes of the class that is replaced"
REPLACES = "replaces a function that only the class that is replaced calls"
MOCKET = "the connect_ex of mocket's stand-in for a socket returns None in place of a number"
LOGGER = "expects the line under the official module's logger; nanospan's exporter has its own"


@dataclass(frozen=True)
class Suite:
    """One run of a package's tests with stock classes, and one with nanospan's."""

    package: str
    least: int
    """About how many tests pass with the stock classes: far fewer mean that the suite did not run."""
    tests: str = "tests"
    names: str = "all"
    """As ``NANOSPAN_IN_PLACE_NAMES``."""
    series: str = "the installed release"
    """Or which series of releases a package that the tests' own environment lacks belongs to."""
    libraries: tuple[str, ...] = ()
    port: int | None = None
    """At which the tests listen."""
    fails: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Tests that fail with nanospan, by the reason. Those of behaviour are in docs/limitations.md."""

    @property
    def expected(self) -> frozenset[str]:
        return frozenset(name for names in self.fails.values() for name in names)


BLANK = {"a blank variable counts as unset, as the specification asks": ("TestSpanLimits::test_span_no_limits_env",)}
SUITES = {
    "SDK, spans": Suite("opentelemetry-sdk", 250, tests="tests/trace", names="spans", fails=BLANK),
    "SDK": Suite(
        "opentelemetry-sdk",
        800,
        libraries=("flaky", "psutil"),
        fails=BLANK
        | {
            "the SDK's warning about a variable is said once, not each time that the SDK reads it": (
                "TestParseBooleanEnvironmentVariable::test_invalid_value_warns_and_returns_default",
            ),
        },
    ),
    "API": Suite("opentelemetry-api", 250),
    "configuration": Suite("opentelemetry-configuration", 380),
    "instrumentation": Suite("opentelemetry-instrumentation", 190, series="beta", libraries=("wrapt>=1.11.2,<3",)),
    "distro": Suite("opentelemetry-distro", 2, series="beta", libraries=("wrapt>=1.11.2,<3",)),
    "B3": Suite("opentelemetry-propagator-b3", 45, series="stable"),
    "Jaeger": Suite("opentelemetry-propagator-jaeger", 25, series="stable"),
    "OT trace": Suite("opentelemetry-propagator-ot-trace", 25, series="beta"),
    "X-Ray": Suite("opentelemetry-propagator-aws-xray", 18, series=">=1.0,<2", libraries=("requests~=2.28",)),
    "OTLP": Suite("opentelemetry-exporter-otlp-proto-common", 18),
    "OTLP over HTTP": Suite("opentelemetry-exporter-otlp-proto-http", 100, libraries=("mocket",)),
    "OTLP over gRPC": Suite("opentelemetry-exporter-otlp-proto-grpc", 60, port=4317),
    "OTLP over HTTP, exporters": Suite(
        "opentelemetry-exporter-otlp-proto-http",
        35,
        tests="tests/test_proto_span_exporter.py",
        names="exporters",
        libraries=("mocket",),
        fails={
            PRIVATE: (
                "test_compression_dual_enum_acceptance",
                "test_compression_options",
                "test_configuration_precedence",
                "test_default_transport_is_requests",
                "test_export_connection_error_records_metrics",
                "test_export_max_retries",
                "test_export_retry_after_header",
                "test_export_retry_after_header_http_date",
                "test_export_retryable_status_codes",
                "test_export_single_span",
                "test_export_spans_different_resources",
                "test_max_request_size_default",
                "test_retry_timeout_records_metrics",
                "test_shutdown_closes_transport",
            ),
            REPLACES: ("test_certificate_args", "test_export_encoding_failure"),
            MOCKET: (
                "test_custom_endpoint",
                "test_custom_headers",
                "test_default_endpoint_and_headers",
                "test_export_connection_error",
                "test_export_non_retryable_status_codes",
                "test_exporter_metrics_disabled_by_default",
                "test_max_request_size_zero_disables",
                "test_negative_max_request_size_disables_limit",
            ),
            LOGGER: ("test_export_after_shutdown", "test_shutdown_idempotent"),
        },
    ),
    "OTLP over gRPC, exporters": Suite(
        "opentelemetry-exporter-otlp-proto-grpc",
        15,
        tests="tests/test_otlp_trace_exporter.py",
        names="exporters",
        fails={
            PRIVATE: (
                "test_count_spans",
                "test_count_spans_multi",
                "test_dropped_values",
                "test_exporting",
                "test_otlp_headers_from_env",
                "test_span_status_translate",
                "test_translate_spans",
                "test_translate_spans_multi",
            ),
            REPLACES: (
                "test_env_variables",
                "test_env_variables_with_client_certificates",
                "test_env_variables_with_only_certificate",
                "test_no_credentials_error",
                "test_otlp_exporter_otlp_channel_options_kwarg",
                "test_otlp_exporter_otlp_compression_kwarg",
                "test_otlp_exporter_otlp_compression_precendence",
                "test_otlp_insecure_from_env",
            ),
        },
    ),
}


@pytest.fixture
def stable_series() -> str:
    """Version bounds for what is released together with the SDK as stable: up to its own release, of the same minor one."""
    sdk = version("opentelemetry-sdk")
    return f">={sdk.rpartition('.')[0]},<={sdk}"


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_what_passes_with_stock_classes_passes_with_nanospans(
    suite: Suite,
    reference_sdist: Callable[..., Path],
    reference_packages: Callable[..., Path],
    sdk_series: str,
    stable_series: str,
    compare_suite: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NANOSPAN_IN_PLACE_NAMES", suite.names)
    installed = suite.series == Suite.series
    if installed and not any(distributions(name=suite.package)):
        pytest.skip(f"{suite.package} is not installed")
    series = {"beta": sdk_series, "stable": stable_series}.get(suite.series, suite.series)
    source = reference_sdist(suite.package, *([] if installed else [series]))
    helpers = [f"opentelemetry-{name}{sdk_series}" for name in ("instrumentation", "test-utils")]
    if not installed:
        helpers.append(f"{suite.package}=={source.name.rpartition('-')[2]}")
    libraries = ("asgiref~=3.0", *suite.libraries)

    packages = [reference_packages(*helpers, needs=False), reference_packages("packaging", *libraries)]
    run = compare_suite(source, [suite.tests], packages, port=suite.port)
    run.repeat(leave_out=[test for test in run.differing() if _is_one_of(test, suite.expected)])

    assert len(run.passed_with_stock()) >= suite.least, run.stock.output
    if suite.names != "spans":
        assert {f"{module}.{name}" for module, name in OWN} <= set(run.native.in_place), run.native.output
    unexpected = {test for test in run.differing() if not _is_one_of(test, suite.expected)}
    assert not unexpected, run.native.describe(unexpected)
    pass_now = {test for test in run.passed_with_both() if _is_one_of(test, suite.expected)}
    assert not pass_now, f"named as failing, but pass: {pass_now}"
    run.check_kinds()
    if suite.tests == "tests/trace":
        run.check_spans()


def _is_one_of(test: str, names: frozenset[str]) -> bool:
    """Whether one of the names is the end of the test's id, without parameters."""
    return any(test.partition("[")[0].endswith(f"::{name}") for name in names)
