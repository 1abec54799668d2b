"""What `import nanospan` loads, and that the first span and the export thread load no more of nanospan.

An import takes a lock that a fork can leave locked, and fails while the interpreter ends: what sends is loaded when a
processor is made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from nanospan.receiver import Receiver

SDK = "import sys, json, opentelemetry.sdk.trace.export, opentelemetry.sdk.trace.sampling, opentelemetry.sdk.resources\n"
OF_THE_INTERPRETER = ("_cython_", "cython_runtime", "_xxsubinterpreters")
# Looked for by the SDK and by the interpreter's start, or part of a measurement of coverage.
OF_THE_ENVIRONMENT = ("sitecustomize", "usercustomize", "coverage")
EXPORTERS = {
    "the default": "None",
    "HTTP": "importlib.import_module('nanospan.export.http').OTLPSpanExporter()",
    "gRPC": "importlib.import_module('nanospan.export.grpc').OTLPSpanExporter()",
    "the official HTTP": (
        "importlib.import_module('opentelemetry.exporter.otlp.proto.http.trace_exporter').OTLPSpanExporter()"
    ),
    "the official gRPC": (
        "importlib.import_module('opentelemetry.exporter.otlp.proto.grpc.trace_exporter').OTLPSpanExporter()"
    ),
    "of objects": (
        "importlib.import_module('opentelemetry.sdk.trace.export.in_memory_span_exporter').InMemorySpanExporter()"
    ),
}


def run(script: str, **variables: str) -> Any:
    """What the last line of ``script`` prints, as JSON."""
    finished = subprocess.run(
        [sys.executable, "-c", script], env={**clean_environment(), **variables}, capture_output=True, text=True, timeout=60
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


def clean_environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("OTEL_") and not name.lower().endswith("_proxy")
    }


def test_it_loads_nothing_of_others_and_no_code_that_sends_or_configures() -> None:
    script = f"{SDK}before = set(sys.modules)\nimport nanospan\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    loaded = run(script)
    rooms = {name.split(".")[1] for name in loaded if name.startswith("nanospan.")}

    assert [name for name in loaded if not name.startswith(("nanospan", *OF_THE_INTERPRETER, *OF_THE_ENVIRONMENT))] == []
    assert rooms == {"_common", "_compat", "_native", "export", "ids", "processor", "sampling", "trace"}
    assert [name for name in loaded if name.startswith(("nanospan.export.", "nanospan.sampling.configuration"))] == []


@pytest.mark.parametrize("exporter", EXPORTERS.values(), ids=EXPORTERS)
def test_the_first_span_and_its_export_load_no_more(exporter: str) -> None:
    script = f"""
import importlib, json, os, sys
import nanospan
provider = nanospan.TracerProvider()
processor = nanospan.BatchSpanProcessor({exporter})
provider.add_span_processor(processor)
tracer = provider.get_tracer("imports")
made = set(sys.modules)
with tracer.start_as_current_span("first") as span:
    span.set_attribute("key", [1, 2])
    span.add_event("event")
provider.force_flush()
exported = processor.stats()["exported"]
provider.shutdown()
print(json.dumps([exported, sorted(name for name in set(sys.modules) - made if name.startswith("nanospan"))]))
"""
    with Receiver() as receiver:
        endpoint = receiver.endpoint_grpc if "grpc" in exporter else receiver.endpoint_http
        assert endpoint is not None
        assert run(script, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=endpoint) == [1, []]
