"""What the installed release of the SDK lacks: tests of it skip, and say what is missing.

The releases are those of docs/compatibility.md.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytest

NEWEST_KNOWN = (1, 45)


def sdk_release() -> tuple[int, int]:
    """As (1, 45)."""
    major, minor = version("opentelemetry-sdk").split(".")[:2]
    return int(major), int(minor)


SINCE: dict[str, tuple[int, int]] = {
    "_on_ending": (1, 40),
    "settings of the gRPC exporter that can be read": (1, 40),
    "tracers that a provider returns again": (1, 41),
    "metrics of span processors": (1, 41),
    "metrics that a variable enables": (1, 42),
    "the random flag of trace ids": (1, 42),
    "attributes of any value": (1, 45),
    "AlwaysRecordSampler": (1, 45),
    "metrics of processors by the newest conventions": (1, 45),
    "trace states of the newest API": (1, 45),
    "transports of the HTTP exporter": (1, 45),
    "resources that a forked child renews": (1, 44),
    "attributes that nobody may change after the end": (1, 45),
    "the messaging conventions that nanospan follows": (1, 45),
    "tracers without an SDK that hand the parent's context on": (1, 45),
    "an SDK that has imported what nanospan needs": (1, 45),
    "composable samplers by rules": (1, 41),
    "predicates of attributes for composable samplers": (1, 44),
    "an API that calls nothing deprecated": (1, 44),
}
"""The first release that has it."""


def has(what: str) -> bool:
    """Whether the installed SDK has ``what``, which is one of `SINCE`."""
    return sdk_release() >= SINCE[what]


def needs(what: str) -> Any:
    """A mark: skip with an SDK that does not have ``what``."""
    return pytest.mark.skipif(not has(what), reason=reason(what))


def reason(what: str) -> str:
    """Why a test of ``what`` is skipped."""
    first = ".".join(map(str, SINCE[what]))
    return f"opentelemetry-sdk {version('opentelemetry-sdk')} lacks {what}, which came with {first}"


def constraints_of_older_sdk() -> list[str]:
    """Constraints for pip with which packages that are added keep the release that is tested; none with the newest."""
    if sdk_release() >= NEWEST_KNOWN:
        return []
    names = ("api", "sdk", "proto", "semantic-conventions", "exporter-otlp-proto-common")
    found = []
    for name in (f"opentelemetry-{part}" for part in names):
        try:
            found.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return found


_TRACE = "tests/trace"
TESTS: dict[str, tuple[str, ...]] = {
    "attributes of any value": (
        f"{_TRACE}/concurrency/test_races.py::test_an_event_inside_an_event",
        f"{_TRACE}/concurrency/test_races.py::test_attributes_inside_attributes",
        f"{_TRACE}/concurrency/test_races.py::test_the_end_inside_a_link",
        f"{_TRACE}/concurrency/test_races.py::test_the_end_inside_an_event",
        f"{_TRACE}/concurrency/test_races.py::test_the_end_while_somebody_looks",
        f"{_TRACE}/concurrency/test_threads.py::test_attributes_up_to_a_limit",
        f"{_TRACE}/concurrency/test_threads.py::test_reading_while_it_is_written",
        f"{_TRACE}/concurrency/test_threads.py::test_spans_everywhere",
        f"{_TRACE}/concurrency/test_threads.py::test_the_same_attributes",
        f"{_TRACE}/concurrency/test_waiting.py::test_a_child_does_not_wait_for_a_thread_of_its_parent",
        f"{_TRACE}/concurrency/test_waiting.py::test_a_handler_writes_while_its_thread_waits_to_end",
        f"{_TRACE}/concurrency/test_waiting.py::test_nobody_waits_twice_for_one_write",
        f"{_TRACE}/parity/test_deviations.py::test_a_value_that_ends_its_own_span",
        f"{_TRACE}/parity/test_deviations.py::test_a_value_that_writes_to_its_own_span",
        f"{_TRACE}/parity/test_machine.py::test_the_machine_notices",
        f"{_TRACE}/parity/test_spans.py::test_bounds_of_the_stores",
        f"{_TRACE}/parity/test_spans.py::test_keys_that_are_dropped",
        f"{_TRACE}/test_broken_data.py::test_a_value_costs_itself",
        f"{_TRACE}/test_broken_data.py::test_a_value_that_ends_its_span",
        f"{_TRACE}/test_broken_data.py::test_it_is_said_once",
        f"{_TRACE}/test_broken_data.py::test_of_events_links_and_exceptions_too",
        f"{_TRACE}/test_ending.py::test_changes_reach_every_exporter",
        "tests/encoding/test_encoder.py::test_bytes_equal_the_reference",
        "tests/fuzz/test_fuzz_findings.py::test_text_of_an_object_is_cleaned_once_beyond_the_limit_of_attributes",
        "tests/sampling/test_adaptive.py::TestMeter::test_attributes_of_timed_spans_count",
    ),
    "metrics of span processors": (
        "tests/processor/test_processor_metrics.py::test_components_are_numbered_with_the_sdk_s",
    ),
    "settings of the gRPC exporter that can be read": (
        "tests/cli/test_doctor.py::TestPipelines::test_the_official_exporters_are_asked_too[grpc",
        "tests/compat/test_in_place.py::test_an_official_exporter_is_known_under_whatever_stands_in_its_place[grpc",
        "tests/export/test_exporters.py::test_arguments_are_those_of_the_official_exporter[grpc",
        "tests/export/faults/test_deadlines.py::test_grpc",
        "tests/export/faults/test_odd_calls.py",
        "tests/export/test_official.py::test_grpc",
        "tests/export/test_official.py::test_settings_of_the_grpc_exporter_are_where_we_look_for_them",
        "tests/export/test_official.py::test_a_moved_name_costs_a_warning_and_the_slow_way[grpc",
    ),
    "the messaging conventions that nanospan follows": ("tests/messaging/test_conventions.py",),
    "tracers without an SDK that hand the parent's context on": (
        "tests/messaging/test_failures.py::test_without_an_sdk_the_context_of_the_caller_goes_on",
    ),
    "an SDK that has imported what nanospan needs": (
        "tests/house/test_imports.py::test_it_loads_nothing_of_others_and_no_code_that_sends_or_configures",
    ),
    "composable samplers by rules": ("tests/sampling/test_consistent_warnings.py::TestWarnings::test_every_tracer_notices",),
    "an API that calls nothing deprecated": (
        "tests/encoding/test_sources.py::test_a_value_that_leaves_its_dict_while_it_is_looked_at",
    ),
    "AlwaysRecordSampler": ("tests/sampling/test_consistent_parent.py::TestAlwaysRecord::test_it_is_the_sdks",),
    "transports of the HTTP exporter": (
        "tests/export/test_environment.py::test_arguments_are_taken_where_the_official_exporter_can_send[max_request_size",
        "tests/export/test_exporters.py::test_arguments_are_those_of_the_official_exporter[http",
        "tests/export/test_official.py::test_a_moved_name_costs_a_warning_and_the_slow_way[http",
        "tests/export/test_official.py::test_http_request_limit_splits",
        "tests/export/test_official.py::test_http_sees_headers_that_are_renewed_in_place",
        "tests/export/test_official.py::test_http_transport_that_raises",
        "tests/export/test_official.py::test_settings_of_the_http_exporter_are_where_we_look_for_them",
    ),
    "attributes that nobody may change after the end": (f"{_TRACE}/parity/test_processors.py::test_too_late_to_write",),
    "resources that a forked child renews": (f"{_TRACE}/parity/test_provider.py::test_the_resource_is_renewed_in_a_child",),
    "trace states of the newest API": (
        "tests/context/test_level2.py::test_an_illegal_change_is_refused_as_by_the_api",
        "tests/context/test_level2.py::test_where_the_apis_propagator_differs",
        "tests/context/test_propagation.py::TestExtract::test_tracestate",
    ),
    "metrics of processors by the newest conventions": (
        "tests/processor/test_processor_metrics.py::test_bytes_are_counted_as_objects_are",
        "tests/processor/test_processor_metrics.py::test_same_metrics_as_the_sdk_s_processor",
    ),
    "the random flag of trace ids": (
        f"{_TRACE}/parity/test_bytes.py::test_beside_a_foreign_processor",
        f"{_TRACE}/parity/test_bytes.py::test_into_a_receiver",
        f"{_TRACE}/parity/test_bytes.py::test_into_the_queue",
        f"{_TRACE}/parity/test_bytes.py::test_two_of_nanospans_processors",
        f"{_TRACE}/concurrency/test_lifetimes.py::test_nothing_is_left_of_spans_that_were[native",
        f"{_TRACE}/parity/test_machine.py",
        f"{_TRACE}/parity/test_tracer.py::test_flags_of_a_child",
        f"{_TRACE}/parity/test_tracer.py::test_flags_of_a_root",
        "tests/context/test_ids.py",
        "tests/fuzz/test_fuzz_smoke.py::test_other_inputs[spans",
        "tests/fuzz/test_fuzz_smoke.py::test_seeds[spans",
    ),
    "metrics that a variable enables": (
        f"{_TRACE}/parity/test_internal_metrics.py",
        "tests/compat/test_sdk_private.py::test_what_the_sdk_reads_often_it_warns_about_once[OTEL_PYTHON_SDK_INTERNAL",
        "tests/configurator/test_odd_variables.py::test_settings[OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED",
        "tests/export/test_exporter_metrics.py",
        "tests/export/test_official.py::test_metrics_go_on_under_the_official_instances_name",
    ),
    "tracers that a provider returns again": (
        "tests/configurator/test_configurator_parts.py::test_arguments_of_a_distribution_come_first",
        "tests/install/test_install.py::test_the_global_provider_becomes_nanospans",
        f"{_TRACE}/concurrency/test_threads.py::test_tracers_of_the_same_scope",
        f"{_TRACE}/parity/test_tracer_memory.py",
        f"{_TRACE}/parity/test_provider.py",
        f"{_TRACE}/parity/test_tracer.py::test_attributes",
        f"{_TRACE}/parity/test_tracer.py::test_what_was_left_out_reaches_the_sampler_raw",
    ),
    "_on_ending": (
        "tests/compat/test_sdk_private.py::test_a_concurrent_composite_works_without_its_pool",
        f"{_TRACE}/parity/test_bytes.py::test_what_happens_after_the_end_is_not_sent",
        f"{_TRACE}/parity/test_deviations.py::test_a_processor_that_raises",
        f"{_TRACE}/parity/test_deviations.py::test_it_is_logged_once_in_a_window",
        f"{_TRACE}/parity/test_deviations.py::test_what_later_processors_rewrite_is_exported",
        f"{_TRACE}/parity/test_processors.py",
        f"{_TRACE}/parity/test_spans.py::test_private_names",
        f"{_TRACE}/parity/test_spans.py::test_shallow_copies_of_attributes",
        f"{_TRACE}/parity/test_spans.py::test_the_constructor",
        f"{_TRACE}/test_ending.py",
    ),
}
"""Tests that expect what an older SDK does not do, stock or not: files, or tests in them, by the beginning of their id."""


def reason_for_sdk(item: pytest.Item) -> str | None:
    """Why the test is not for the installed SDK."""
    for what, tests in TESTS.items():
        if not has(what) and item.nodeid.startswith(tests):
            return reason(what)
    return None
