"""Starts the application or finds it at a URL, sends the requests, and searches what has left."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from nanospan.cli.audit.canaries import KEEP, Canaries, Request
from nanospan.cli.audit.collector import Arrival, RawCollector
from nanospan.cli.audit.search import Hit, fields_of, find, find_in_fields
from nanospan.cli.run.command import environment_for_run

__all__ = ["STANDARD_ERROR", "Audit", "AuditError", "AuditOptions", "Finding", "run"]

REDACT = "OTEL_PYTHON_NANOSPAN_REDACT"
STANDARD_ERROR = "standard error"
_REQUEST_SECONDS = 60.0
_START_SECONDS = 120.0
_SEND_SECONDS = 60.0
_END_SECONDS = 5.0
_MAX_SHOWN_ERROR = 2000


class AuditError(Exception):
    """The audit cannot be done; the message says why."""


@dataclass(frozen=True)
class AuditOptions:
    """``application`` or ``url`` is given."""

    application: str | None = None
    kind: str = "detect"
    """``asgi``, ``wsgi`` or ``detect``."""
    url: str | None = None
    redact: str | None = None
    """``default``, ``none`` or a path; None leaves the environment's."""
    protocol: str = "http/protobuf"
    paths: tuple[str, ...] = ("/",)
    http_port: int = 4318
    grpc_port: int = 4317
    """The ports are those of an audit of a URL; an application that the command starts is told free ones."""
    wait: float = 15.0
    """Seconds to wait for what the application at a URL exports."""


@dataclass(frozen=True)
class Finding:
    """A canary at a place, and how many times; ``span`` is the name of the first span."""

    canary: str
    place: str
    form: str
    span: str
    count: int


@dataclass
class Audit:
    """What was sent and what came out."""

    canaries: tuple[str, ...]
    statuses: tuple[int, ...]
    """What the application answered to the requests."""
    requests: int = 0
    spans: int = 0
    wire_bytes: int = 0
    encodings: set[str] = field(default_factory=set)
    """How the exports came: ``identity``, ``gzip``, ``grpc`` and others."""
    findings: list[Finding] = field(default_factory=list)
    keep_arrived: bool = False
    """Whether ``keep=ok`` is in what left."""

    @property
    def left(self) -> list[Finding]:
        """The findings in telemetry: all but those in the application's own standard error."""
        return [finding for finding in self.findings if finding.place != STANDARD_ERROR]


def run(options: AuditOptions) -> Audit:
    """Audit an application. Raises AuditError."""
    canaries = Canaries()
    ports = (options.http_port, options.grpc_port) if options.url is not None else (0, 0)
    try:
        collector = RawCollector(*ports)
    except OSError as error:
        raise AuditError(f"{error}; choose other ports with --http-port and --grpc-port") from error
    with collector:
        if options.url is not None:
            statuses = _send(options.url, options.paths, canaries)
            collector.wait_until_quiet(options.wait, min(options.wait, 6.0))
            error_text = log = b""
        else:
            statuses, error_text, log = _in_process(options, canaries, collector)
        texts = canaries.texts()
        if options.url is not None:
            del texts["resource"]  # it stands in the environment of an application that is started here
        return _searched(texts, statuses, collector.arrivals(), error_text, log)


def _searched(texts: dict[str, str], statuses: list[int], arrivals: list[Arrival], error_text: bytes, log: bytes) -> Audit:
    audit = Audit(tuple(texts), tuple(statuses), requests=len(arrivals))
    counts: Counter[Hit] = Counter()
    spans: dict[Hit, str] = {}
    for arrival in arrivals:
        audit.encodings.add(arrival.encoding)
        audit.wire_bytes += len(arrival.wire)
        audit.spans += _span_count(arrival.body)
        audit.keep_arrived = audit.keep_arrived or KEEP.encode() in arrival.body
        for hit, span in _of_arrival(arrival, texts):
            counts[hit] += 1
            spans.setdefault(hit, span)
    for place, text in ((STANDARD_ERROR, error_text), ("log of tracing", log)):
        for name, form in find(text, texts).items():
            counts[Hit(name, place, form)] += 1
    order = {name: number for number, name in enumerate(texts)}
    audit.findings = sorted(
        (
            Finding(hit.canary, _without(hit.place, texts), hit.form, _without(spans.get(hit, ""), texts), count)
            for hit, count in counts.items()
        ),
        key=lambda finding: (order[finding.canary], finding.place, finding.form),
    )
    return audit


def _without(text: str, texts: dict[str, str]) -> str:
    """``text`` with the names of the canaries in their places: the report is printed where logs are kept."""
    for name, canary in texts.items():
        text = text.replace(canary, f"<{name}>")
    return text


def _of_arrival(arrival: Arrival, texts: dict[str, str]) -> Iterator[tuple[Hit, str]]:
    in_fields: set[str] = set()
    for hit, span in find_in_fields(fields_of(arrival.body), texts):
        in_fields.add(hit.canary)
        yield hit, span
    for name, value in (("path", arrival.path), *arrival.headers.items()):
        for canary, form in find(f"{name}: {value}".encode(), texts).items():
            yield Hit(canary, f"request's header {name}", form), ""
    # What no field has shown may yet be in bytes that are no field, or in a body that could not be read.
    rest = {name: text for name, text in texts.items() if name not in in_fields}
    for canary, form in {**find(arrival.wire, rest), **find(arrival.body, rest)}.items():
        yield Hit(canary, "request's body", form), ""


def _span_count(body: bytes) -> int:
    with contextlib.suppress(Exception):
        request = ExportTraceServiceRequest.FromString(body)
        return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
    return 0


def _send(base: str, paths: Iterable[str], canaries: Canaries) -> list[int]:
    """The statuses of the answers. Raises AuditError if nobody answers."""
    url = urlsplit(base)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    statuses = []
    for path in paths:
        for request in canaries.requests(url.path.rstrip("/") + path):
            connection = kind(url.hostname or "", url.port, timeout=_REQUEST_SECONDS)
            try:
                statuses.append(_status(connection, request))
            except (OSError, http.client.HTTPException) as error:
                raise AuditError(f"{base} does not answer: {type(error).__name__}: {error}") from error
            finally:
                connection.close()
    return statuses


def _status(connection: http.client.HTTPConnection, request: Request) -> int:
    connection.request(request.method, request.target, request.body or None, request.headers)
    response = connection.getresponse()
    response.read()
    return response.status


def _in_process(options: AuditOptions, canaries: Canaries, collector: RawCollector) -> tuple[list[int], bytes, bytes]:
    """The statuses, what the application wrote to standard error, and what tracing logged."""
    with tempfile.TemporaryDirectory(prefix="nanospan-audit-") as folder:
        log, error_file = Path(folder, "log"), Path(folder, "stderr")
        command = [sys.executable, "-m", "nanospan.cli.audit.application", options.application or "", options.kind, str(log)]
        with error_file.open("wb") as error_output:
            process = subprocess.Popen(
                command,
                env=_environment(options, canaries, collector),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=error_output,
            )
        try:
            assert process.stdout is not None
            if not _says_something(process, _START_SECONDS):
                raise AuditError(f"{options.application} was not loaded within {_START_SECONDS:g} s")
            statuses = _asked(process.stdout.readline(), options, canaries, error_file)
            assert process.stdin is not None
            process.stdin.close()
            # It has sent what it has when it says so. Threads of its own may keep it from ending.
            if _says_something(process, _SEND_SECONDS):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_END_SECONDS)
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
        return statuses, error_file.read_bytes(), log.read_bytes() if log.exists() else b""


def _says_something(process: subprocess.Popen[bytes], timeout: float) -> bool:
    assert process.stdout is not None
    return bool(select.select([process.stdout], [], [], timeout)[0])


def _asked(line: bytes, options: AuditOptions, canaries: Canaries, error_file: Path) -> list[int]:
    told = json.loads(line) if line.strip() else {"problem": f"{options.application} ended before it could be asked"}
    if "problem" in told:
        text = error_file.read_text(errors="replace")[-_MAX_SHOWN_ERROR:]
        raise AuditError("\n".join(filter(None, (told["problem"], text.strip()))))
    return _send(f"http://127.0.0.1:{told['port']}", options.paths, canaries)


def _environment(options: AuditOptions, canaries: Canaries, collector: RawCollector) -> dict[str, str]:
    """The variables of this process, but that all spans are recorded, with all headers, and sent to ``collector`` alone."""
    # A file of configuration, and the headers and certificates of the user's own backend, are for other receivers.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_EXPORTER_OTLP_", "OTEL_TRACES_SAMPLER"))
        and name not in ("OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE", "OTEL_SDK_DISABLED")
    }
    if options.redact is not None:
        kept.pop(REDACT, None)
        if options.redact != "none":
            kept[REDACT] = options.redact
    if compression := os.environ.get("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION") or os.environ.get(
        "OTEL_EXPORTER_OTLP_COMPRESSION"
    ):
        kept["OTEL_EXPORTER_OTLP_COMPRESSION"] = compression
    endpoint = collector.http_url
    if options.protocol == "grpc":
        if collector.grpc_url is None:
            raise AuditError("--protocol grpc needs grpcio: pip install 'nanospan[grpc]'")
        endpoint = collector.grpc_url
    own_attributes = kept.get("OTEL_RESOURCE_ATTRIBUTES", "")
    kept |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": options.protocol,
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_TRACES_SAMPLER": "always_on",
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(filter(None, (own_attributes, f"audit.password={canaries.resource}"))),
        "NO_PROXY": ",".join(filter(None, (kept.get("NO_PROXY"), "127.0.0.1"))),
    }
    for side in ("SERVER", "CLIENT"):
        for direction in ("REQUEST", "RESPONSE"):
            kept[f"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_{side}_{direction}"] = ".*"
    return environment_for_run(kept)
