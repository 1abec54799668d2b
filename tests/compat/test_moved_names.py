"""A release that has moved a private name costs speed and one warning: nanospan is imported, and every span is sent.

Each name that `nanospan._compat` uses is moved in turn, in a process of its own.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.accounting import WAIT
from support.sdk_releases import has

import nanospan
from nanospan._compat import declarative, otlp_exporters
from nanospan._compat.parts import PARTS, missing_names
from nanospan.receiver import Receiver

PROGRAM = Path(__file__).parent / "scripts" / "with_moved_name.py"
COMPAT = Path(nanospan.__file__).parent / "_compat"

SCENARIOS = {"configuration": "configure", "metrics and logs": "run", "propagators": "configure"}
"""Of the parts that a program uses only in this way; the others are used by every one."""

EXPORTERS = {"http" if has("transports of the HTTP exporter") else "http before 1.45": "http", "grpc": "grpc"}
if has("metrics that a variable enables"):
    EXPORTERS["metrics"] = "http"

ELSEWHERE = {"TracerProvider": "opentelemetry.sdk._configuration", "environ": "opentelemetry.sdk._logs._internal"}
"""Names that are public in other modules, and the module in which each is moved."""

ONLY_IF_THERE = {
    # nanospan._compat.inspection, for `nanospan doctor`, which says less without them
    *("_batch_processor", "_exporter", "_instance", "_max_queue_size", "_processor", "_queue", "_shutdown"),
    *("_span_exporter", "_worker_thread", "_wrapped"),
}


def eager() -> set[str]:
    return {name.name for part in PARTS.values() if part.at_import for name in part.names if name.is_of_this_release}


def cases() -> Iterator[tuple[str, str]]:
    """Each name and the way of tracing that uses it."""
    yield from ((name, "processor") for name in sorted(eager()))
    for part, scenario in SCENARIOS.items():
        for name in PARTS[part].names:
            if name.is_of_this_release and name.name not in eager():
                yield name.name, scenario
    for kind, scenario in EXPORTERS.items():
        yield from ((name, scenario) for name in otlp_exporters.NAMES[kind] if name not in eager())
    if find_spec("opentelemetry.configuration"):
        yield from ((name, "file") for name in (*declarative.NAMES, declarative.CONVERSION) if name.startswith("_"))


@pytest.mark.slow("starts a process for each name")
@pytest.mark.parametrize(("name", "scenario"), dict.fromkeys(cases()))
def test_every_span_is_sent_and_one_warning_names_it(name: str, scenario: str, tmp_path: Path) -> None:
    if scenario == "grpc":
        pytest.importorskip("grpc", reason="grpcio is not installed")
    with Receiver() as receiver:
        endpoint = str(receiver.endpoint_grpc if scenario == "grpc" else receiver.endpoint_http)
        variables = {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint.removesuffix("/v1/traces"),
            "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": str(scenario == "http").lower(),
            "PATH": os.environ.get("PATH", ""),
        }
        if scenario == "file":
            variables["OTEL_CONFIG_FILE"] = str(tmp_path / "otel.yaml")
            (tmp_path / "otel.yaml").write_text(
                "file_format: '1.0'\ntracer_provider:\n  processors:\n  - batch:\n      exporter:\n        otlp_http:\n"
                f"          endpoint: {endpoint}\n"
            )
        owner = [ELSEWHERE[name]] if name in ELSEWHERE else []
        run = subprocess.run(
            [sys.executable, str(PROGRAM), name, scenario, endpoint, *owner],
            env=variables,
            capture_output=True,
            text=True,
            timeout=WAIT,
        )
        assert run.returncode == 0, run.stderr
        traces = [receiver.store.trace(summary.trace_id) for summary in receiver.store.summaries()]
    spans = {span.name: span for trace in traces for span in trace}
    assert spans.keys() == {"parent", "child"}, run.stderr
    assert spans["child"].parent_span_id == spans["parent"].span_id
    assert dict(spans["parent"].attributes) == {"number": 1, "text": "t"}
    assert [event.name for event in spans["parent"].events] == ["event"]
    said = json.loads(run.stdout.splitlines()[-1])
    assert len(said) == 1, said
    assert name in said[0]


def test_the_installed_release_has_every_name() -> None:
    assert {part: missing_names(part) for part in PARTS} == dict.fromkeys(PARTS, ())


def test_no_name_is_forgotten() -> None:
    """Each private attribute that a module of `_compat` reads from others is in one of the lists above."""
    listed = {name.name for part in PARTS.values() for name in part.names} | ONLY_IF_THERE | set(declarative.NAMES)
    listed = listed.union(*otlp_exporters.NAMES.values())
    read = {
        node.attr
        for path in COMPAT.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
        if not (isinstance(node.value, ast.Name) and node.value.id == "self")
    }
    assert sorted(read - listed) == []
