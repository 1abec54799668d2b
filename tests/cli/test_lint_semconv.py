"""nanospan lint --semconv and nanospan receive --check: captured spans, the forms of findings, and the exit status."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("click", reason="click is not installed")
pytest.importorskip("rich", reason="rich is not installed")

from click.testing import CliRunner, Result
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from nanospan.cli.commands import nanospan as command
from nanospan.receiver.otlp_json import request_to_json

WAIT_SECONDS = 120
REQUESTS = "opentelemetry.instrumentation.requests"


def request(scope: str = REQUESTS, name: str = "GET", version: str = "0.66b2", **attributes: str | int) -> bytes:
    """A request with one span of a client; ``__`` in the names of attributes stands for a dot."""
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name, scope_spans.scope.version = scope, version
    span = scope_spans.spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, name=name, kind=3)
    for key, value in attributes.items():
        holder = span.attributes.add(key=key.replace("__", ".")).value
        if isinstance(value, str):
            holder.string_value = value
        else:
            holder.int_value = value
    return message.SerializeToString()


OLD = request(http__method="GET", http__status_code=200)
NEW = request(http__request__method="GET", http__response__status_code=200)
INFORMATION = request(http__request__method="BREW")
IMPROVEMENT = request(thread__id=1)


def lint(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, ["lint", "--semconv", *map(str, arguments)])


def found(result: Result) -> list[dict[str, Any]]:
    return json.loads(result.stdout)["findings"]


def as_lines(*bodies: bytes) -> bytes:
    return b"".join(request_to_json(ExportTraceServiceRequest.FromString(body)).encode() + b"\n" for body in bodies)


def with_lengths(*bodies: bytes) -> bytes:
    return b"".join(len(body).to_bytes(4) + body for body in bodies)


FORMS = {
    "JSON lines": (as_lines(NEW, OLD, OLD), 2, 2),
    "JSON lines after a blank one": (b"\n" + as_lines(NEW, OLD), 3, 1),
    "one request in protobuf": (OLD, 1, 1),
    "requests in protobuf, each after its length": (with_lengths(NEW, OLD, OLD), 2, 2),
}


@pytest.mark.parametrize("form", FORMS)
def test_reads_what_was_captured(form: str, tmp_path: Path) -> None:
    content, line, times = FORMS[form]
    file = tmp_path / "capture"
    file.write_bytes(content)
    result = lint(file, "--json")
    assert result.exit_code == 1
    findings = found(result)
    assert [(one["rule"], one["path"], one["line"], one["column"]) for one in findings] == [
        ("deprecated", str(file), line, 1),
        ("deprecated", str(file), line, 1),
    ]
    assert [one.keys() for one in findings] == [{"rule", "path", "line", "column", "message"}] * 2
    method = findings[0]["message"]
    assert method.startswith(f"{REQUESTS} 0.66b2: 'http.method' is deprecated: the name is 'http.request.method'. ")
    assert "OTEL_SEMCONV_STABILITY_OPT_IN=http" in method
    assert method.endswith("(once)" if times == 1 else f"({times} times)")


@pytest.mark.parametrize(
    ("body", "options", "status"),
    [
        (NEW, [], 0),
        (OLD, [], 1),
        (OLD, ["--fail-on", "violation"], 1),
        (OLD, ["--fail-on", "none"], 0),
        (OLD, ["--conventions", "1.21"], 1),
        (OLD, ["--check", "type_mismatch"], 0),
        (INFORMATION, [], 0),
        (INFORMATION, ["--fail-on", "improvement"], 0),
        (INFORMATION, ["--fail-on", "information"], 1),
        (IMPROVEMENT, ["--check", "not_stable"], 0),
        (IMPROVEMENT, ["--check", "not_stable", "--fail-on", "improvement"], 1),
        (request(com__acme__id=1), ["--namespace", "com.acme"], 0),
        (request(acme__id=1), ["--namespace", "com.acme"], 1),
        (request(http__response__status_code="200"), [], 1),
        (request(name="GET /users/42"), [], 1),
        (request(db__name="a"), ["--conventions", "1.25"], 0),
        (request(db__name="a"), ["--conventions", "1.26"], 1),
    ],
)
def test_the_exit_status(body: bytes, options: list[str], status: int, tmp_path: Path) -> None:
    file = tmp_path / "capture"
    file.write_bytes(body)
    assert lint(file, *options).exit_code == status


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no spans"),
        (b"text", "holds no requests of OTLP"),
        (b"\x00\x00\x00\x02ab", "holds no requests of OTLP"),
        (b"{}\n", "line 1: there are no resourceSpans"),
        (as_lines(OLD) + b"{garbage\n", "line 2: the body is no JSON"),
        (None, "cannot read"),
    ],
)
def test_what_is_no_capture_is_said(content: bytes | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "capture"
    if content is not None:
        file.write_bytes(content)
    result = lint(file)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--conventions", "2.0"], "version must be a version from 1.21 to 1.45"),
        (["--check", "typo"], "checks must be of deprecated"),
        (["--baseline", "missing"], "missing: No such file or directory"),
        (["--output", "missing/file"], "missing/file: No such file or directory"),
    ],
)
def test_wrong_options_are_said(options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("capture").write_bytes(OLD)
    result = lint("capture", *options)
    assert result.exit_code == 2
    assert message in result.output


def test_the_forms_of_findings(tmp_path: Path) -> None:
    file = tmp_path / "capture"
    file.write_bytes(with_lengths(OLD, INFORMATION))
    text = lint(file).output.splitlines()
    assert text[0].startswith(f"{file}:1:1: deprecated {REQUESTS} 0.66b2: 'http.method' is deprecated")
    assert text[2].startswith(f"{file}:2:1: undefined_enum_variant (information) ")
    assert text[3] == "3 findings"

    annotations = lint(file, "--format", "github").output.splitlines()
    assert annotations[0].startswith(f"::error file={file},line=1,col=1,title=deprecated::{REQUESTS} 0.66b2: 'http.method'")
    assert annotations[2].startswith("::notice ")

    written = tmp_path / "report.sarif"
    result = lint(file, "--format", "sarif", "--output", written)
    assert (result.exit_code, result.output) == (1, "")
    sarif = json.loads(written.read_text())
    (run,) = sarif["runs"]
    assert sarif["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["deprecated", "undefined_enum_variant"]
    assert [(one["ruleId"], one["ruleIndex"], one["level"]) for one in run["results"]] == [
        ("deprecated", 0, "error"),
        ("deprecated", 0, "error"),
        ("undefined_enum_variant", 1, "note"),
    ]
    place = run["results"][2]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": str(file)}, "region": {"startLine": 2, "startColumn": 1}}


def test_an_annotation_is_one_line_whatever_the_names_hold(tmp_path: Path) -> None:
    file = tmp_path / "a,b:c"
    file.write_bytes(request(scope="lib\n::error::x", http__method="GET"))
    (line,) = lint(file, "--format", "github").output.splitlines()
    assert line.startswith(f"::error file={tmp_path}/a%2Cb%3Ac,line=1,col=1,title=deprecated::lib%0A::error::x 0.66b2: ")


def test_a_baseline_leaves_out_what_is_known(tmp_path: Path) -> None:
    first, second, baseline = tmp_path / "first", tmp_path / "second", tmp_path / "baseline"
    first.write_bytes(OLD)
    second.write_bytes(with_lengths(OLD, OLD, request(version="0.67b0", db__statement="x")))
    assert lint(first, "--write-baseline", baseline).exit_code == 0
    assert lint(first, "--baseline", baseline).exit_code == 0
    result = lint(second, "--baseline", baseline, "--json")
    assert result.exit_code == 1
    assert ["db.statement" in one["message"] for one in found(result)] == [True]
    for content in ("", "[]", "{}", '{"kind": "nanospan lint baseline", "findings": 1}', '{"kind": "x", "findings": {}}'):
        baseline.write_text(content)
        result = lint(second, "--baseline", baseline)
        assert (result.exit_code, "is no baseline" in result.output) == (2, True)


def test_a_baseline_knows_how_often_a_finding_is_known(tmp_path: Path) -> None:
    file, baseline = tmp_path / "shop.py", tmp_path / "baseline"
    call = "span.set_attribute('http.method', 1)\n"
    file.write_text(call)
    arguments = ["lint", str(file), "--json"]
    assert CliRunner().invoke(command, [*arguments, "--write-baseline", str(baseline)]).exit_code == 0
    file.write_text(f"\n{call}{call}")
    result = CliRunner().invoke(command, [*arguments, "--baseline", str(baseline)])
    assert [one["line"] for one in found(result)] == [3]


def test_source_code(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(
        "from opentelemetry.semconv.trace import SpanAttributes\n"
        "span.set_attribute('http.method', 1)\n"
        "span.set_attributes({'db.statement': 1, 'shop.id': 2})\n"
        "tracer.start_span('x', attributes={SpanAttributes.HTTP_URL: 1, 'http.route': 2})\n"
        "attributes['net.peer.name'] = 1\n"
        "if key == 'http.method' or found['http.method']: pass\n"
        "span.set_attribute('state', 'on')\n"
    )
    result = CliRunner().invoke(command, ["lint", "--json", "--select", "deprecated", str(tmp_path)])
    assert result.exit_code == 1
    assert [(one["rule"], one["line"], one["column"]) for one in found(result)] == [
        ("deprecated", 2, 20),
        ("deprecated", 3, 22),
        ("deprecated", 4, 36),
        ("deprecated", 5, 12),
    ]


@contextmanager
def receiving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    with subprocess.Popen(
        [sys.executable, "-m", "nanospan.cli", "receive", "--http-port", "0", "--no-grpc", "-q", "--check", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            while "Ctrl-C" not in lines[-1]:
                lines.append(process.stdout.readline())
                assert lines[-1]
            yield process, int(re.search(r":(\d+)/v1/traces", lines[0])[1])  # type: ignore[index]
        finally:
            process.kill()


@pytest.mark.parametrize(("body", "status"), [(OLD, 1), (NEW, 0), (INFORMATION, 0)])
def test_receiving_with_a_check(body: bytes, status: int) -> None:
    with receiving() as (process, port):
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)) as client:
            for _ in range(2):
                client.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
                answer = client.getresponse()
                assert (answer.status, answer.read() is not None) == (200, True)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == status
    assert "2 spans checked" in output
    assert ("'http.method' is deprecated" in output) == (body is OLD)
