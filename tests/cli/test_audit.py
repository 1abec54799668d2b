"""nanospan audit: the search finds canaries in every encoding, and the command finds what leaves of real applications."""

from __future__ import annotations

import base64
import gzip
import json
import os
import socket
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("click", reason="click is not installed")
pytest.importorskip("rich", reason="rich is not installed")

from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support.accounting import WAIT
from support.extra_packages import Environment, environment_with

from nanospan.cli.audit.canaries import Canaries
from nanospan.cli.audit.search import fields_of, find
from nanospan.cli.commands import nanospan as command
from nanospan.cli.run.command import environment_for_run

CANARIES = Canaries().texts()
each_canary = st.sampled_from(sorted(CANARIES))
around = st.binary(max_size=40)
# Nothing need stand between an encoded text and its neighbours, which may be of the same alphabet.
neighbour = st.one_of(around, st.text("abcdef0123456789XYZ+/_-%", max_size=9).map(str.encode))

ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "other case": bytes.swapcase,
    "reversed": lambda data: data[::-1],
    "percent": lambda data: quote(data, safe="").encode(),
    "every sign in percent": lambda data: b"".join(b"%%%02X" % byte for byte in data),
    "base64": base64.b64encode,
    "base64 for URLs": lambda data: base64.urlsafe_b64encode(data).rstrip(b"="),
    "hex": lambda data: data.hex().encode(),
    "gzip": gzip.compress,
    "zlib": zlib.compress,
}
WRAPPING = [name for name in ENCODINGS if name not in ("plain", "other case", "reversed")]


def is_compressed(encoding: str) -> bool:
    return encoding in ("gzip", "zlib")


@given(each_canary, st.sampled_from(sorted(ENCODINGS)), around, around, neighbour, neighbour)
@settings(deadline=None)
def test_a_canary_is_found_in_every_encoding(
    name: str, encoding: str, before: bytes, behind: bytes, outer_before: bytes, outer_behind: bytes
) -> None:
    wrapped = ENCODINGS[encoding](before + CANARIES[name].encode() + behind)
    # A body that is compressed begins with its own first bytes.
    data = wrapped if is_compressed(encoding) else outer_before + wrapped + outer_behind
    assert name in find(data, CANARIES)


@pytest.mark.parametrize("encoding", ["base64", "base64 for URLs", "hex"])
@pytest.mark.parametrize("glued", range(4))
@pytest.mark.parametrize("shift", range(3))
def test_a_canary_is_found_at_every_offset(encoding: str, glued: int, shift: int) -> None:
    wrapped = ENCODINGS[encoding](b"x" * shift + CANARIES["token"].encode())
    assert find(b"a" * glued + wrapped + b"a" * glued, CANARIES) == {"token": encoding.split()[0]}


@given(each_canary, st.sampled_from(WRAPPING), st.sampled_from(WRAPPING), st.sampled_from(WRAPPING))
@settings(deadline=None)
def test_a_canary_is_found_in_encodings_around_encodings(name: str, first: str, second: str, third: str) -> None:
    data = CANARIES[name].encode()
    for encoding in (first, second, third):
        data = ENCODINGS[encoding](data)
    assert name in find(data, CANARIES)


@given(st.binary(max_size=2000))
def test_nothing_is_found_in_other_bytes(data: bytes) -> None:
    assert find(data, CANARIES) == {}


def test_every_field_of_a_request_is_named() -> None:
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    of_resource.resource.attributes.add(key="r").value.string_value = CANARIES["token"]
    of_scope = of_resource.scope_spans.add()
    of_scope.scope.name = CANARIES["token"]
    of_scope.scope.version = CANARIES["token"]
    of_scope.scope.attributes.add(key="s").value.bytes_value = CANARIES["token"].encode()
    span = of_scope.spans.add(name=CANARIES["token"], trace_state=CANARIES["token"])
    span.status.message = CANARIES["token"]
    span.attributes.add(key="a").value.array_value.values.add().kvlist_value.values.add(key=CANARIES["token"])
    span.attributes.add(key="n").value.int_value = int(CANARIES["card"])
    span.attributes.add(key=CANARIES["token"])
    event = span.events.add(name=CANARIES["token"])
    event.attributes.add(key="e").value.string_value = CANARIES["token"]
    link = span.links.add(trace_state=CANARIES["token"])
    link.attributes.add(key="l").value.string_value = CANARIES["token"]

    found = {(field.place, *find(field.data, CANARIES)) for field in fields_of(request.SerializeToString())}

    places = [
        "resource attribute r",
        "scope name",
        "scope version",
        "scope attribute s",
        "span name",
        "trace state",
        "status",
    ]
    places += ["attribute a", "attribute's key", "event name", "event attribute e", "link trace state", "link attribute l"]
    assert {(place, "token") for place in places} | {("attribute n", "card")} <= found


# --- the command, on applications that make their spans themselves ---------------------------------------------------

WSGI = """
from opentelemetry import trace

def app(environ, start_response):
    with trace.get_tracer("shop").start_as_current_span("buy") as span:
        span.set_attribute("url.query", environ["QUERY_STRING"])
        span.set_attribute("shop.api_key", environ.get("HTTP_X_API_KEY", ""))
        print("query", environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]

class Shop:
    application = staticmethod(app)
"""
ASGI = """
from opentelemetry import trace

async def app(scope, receive, send):
    assert scope["type"] == "http"
    with trace.get_tracer("shop").start_as_current_span("buy") as span:
        span.set_attribute("url.query", scope["query_string"].decode())
        body = (await receive())["body"]
        span.add_event("body", {"shop.body": body.decode()})
    await send({"type": "http.response.start", "status": 201, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""
NOT_ONE = "app = 3\n"
WITH_A_THREAD = f"""
import threading

threading.Thread(target=threading.Event().wait).start()
{WSGI}"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"wsgi_shop": WSGI, "asgi_shop": ASGI, "not_one": NOT_ONE, "threaded": WITH_A_THREAD}.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def clean_environment(**variables: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "PYTHON")) and not name.lower().endswith("_proxy")
    }
    return kept | variables


def run_audit(
    folder: Path, *arguments: str, python: str = sys.executable, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", "nanospan.cli", "audit", *arguments],
        cwd=folder,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=2 * WAIT,
    )


@pytest.mark.parametrize("application", ["wsgi_shop:Shop.application", "asgi_shop"])
def test_the_exit_status_tells_whether_a_canary_has_left(folder: Path, application: str) -> None:
    bare = run_audit(folder, application, "--redact", "none", "--json")
    masked = run_audit(folder, application, "--redact", "default", "--json")

    assert (bare.returncode, masked.returncode) == (1, 0), (bare.stderr, masked.stderr)
    leaked, kept = json.loads(bare.stdout), json.loads(masked.stdout)
    assert {"token", "sig", "escaped_key", "card", "resource"} <= set(leaked["left"])
    places = {(one["canary"], one["place"]) for one in leaked["findings"]}
    assert {("token", "attribute url.query"), ("resource", "resource attribute audit.password")} <= places
    assert kept["left"] == []
    assert kept["keep_arrived"] and leaked["keep_arrived"]
    assert kept["spans"] == leaked["spans"] == 4


def test_the_policy_is_a_file_or_the_environments_and_standard_error_is_searched(folder: Path) -> None:
    (folder / "policy.json").write_text('{"keys": ["sig"], "detectors": ["pair"]}')
    of_file = run_audit(folder, "wsgi_shop", "--redact", "policy.json")
    of_environment = run_audit(folder, "wsgi_shop", OTEL_PYTHON_NANOSPAN_REDACT="default")
    strict = run_audit(folder, "wsgi_shop", "--strict", OTEL_PYTHON_NANOSPAN_REDACT="default")

    assert of_file.returncode == 1
    assert "attribute url.query" in of_file.stdout
    assert "sig" not in {line.split()[0] for line in of_file.stdout.splitlines() if "url.query" in line}
    assert of_environment.returncode == 0, of_environment.stderr
    assert "standard error" in of_environment.stdout
    assert strict.returncode == 1


def test_what_masks_the_innocent_does_not_pass(folder: Path) -> None:
    (folder / "policy.json").write_text('{"actions": {"url.query": "drop"}}')
    done = run_audit(folder, "wsgi_shop", "--redact", "policy.json")
    assert done.returncode == 1
    assert "keep=ok did not arrive" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name either an application"),
        (["wsgi_shop", "--url", "http://localhost:1"], "name either an application"),
        (["--url", "localhost:1"], "must be as http://localhost:8000"),
        (["--url", "http://localhost:1", "--redact", "none"], "not for --url"),
        (["wsgi_shop", "--path", "cart"], "must begin with /"),
        (["wsgi_shop", "--redact", "no-such-file"], "no-such-file"),
        (["no_such_module"], "no_such_module cannot be loaded: ModuleNotFoundError"),
        (["not_one"], "must be an ASGI or WSGI application, not int"),
        (["wsgi_shop", "--asgi"], "no span arrived"),
    ],
)
def test_an_audit_that_cannot_be_done_says_why(folder: Path, arguments: list[str], said: str) -> None:
    done = run_audit(folder, *arguments)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())


# --- real frameworks and clients -------------------------------------------------------------------------------------

AUDITED = Path(__file__).parent / "audited"
LIBRARIES = ("fastapi", "flask", "django", "requests", "httpx", "urllib3", "aiohttp")
INSTRUMENTED = ("fastapi", "flask", "django", "requests", "httpx", "urllib3", "aiohttp-client")
PACKAGES = (*LIBRARIES, *(f"opentelemetry-instrumentation-{name}" for name in INSTRUMENTED))
SLOW = pytest.mark.slow("installs three frameworks and four clients, and starts an application for each case")

FRAMEWORKS = ("fastapi", "flask", "django")
CONVENTIONS = ("", "http")
TRANSPORTS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "identity": (("--protocol", "http/protobuf"), {"OTEL_EXPORTER_OTLP_COMPRESSION": "none"}),
    "gzip": (("--protocol", "http/protobuf"), {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}),
    "grpc": (("--protocol", "grpc"), {}),
}
CASES = [(one, opt_in, transport) for one in FRAMEWORKS for opt_in in CONVENTIONS for transport in TRANSPORTS]


@pytest.fixture(scope="module")
def environment(request: pytest.FixtureRequest) -> Environment:
    if os.environ.get("NANOSPAN_SUITES") == "0":
        pytest.skip("NANOSPAN_SUITES=0 leaves out what fetches packages")
    return environment_with(request.config, *PACKAGES)


def of_framework(environment: Environment, framework: str, opt_in: str, transport: str, redact: str) -> dict[str, Any]:
    if transport == "grpc":
        pytest.importorskip("grpc", reason="grpcio is not installed")
    arguments, variables = TRANSPORTS[transport]
    done = run_audit(
        AUDITED,
        f"{framework}_app:app",
        "--redact",
        redact,
        "--json",
        *arguments,
        python=environment.python,
        PYTHONDONTWRITEBYTECODE="1",
        OTEL_SEMCONV_STABILITY_OPT_IN=opt_in,
        **variables,
    )
    assert done.returncode in (0, 1), done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["encodings"] == [transport]
    assert told["statuses"] == [200, 200, 200, 404]
    # A span of the server for each request, and in three of them eight of clients and one of the application.
    assert told["spans"] >= 4 + 3 * 9
    assert told["keep_arrived"]
    return told


@SLOW
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("framework", "opt_in", "transport"), CASES)
def test_no_canary_leaves_a_real_application(environment: Environment, framework: str, opt_in: str, transport: str) -> None:
    told = of_framework(environment, framework, opt_in, transport, "default")
    assert [one for one in told["findings"] if one["place"] != "standard error"] == []


@SLOW
@pytest.mark.parametrize(("framework", "opt_in", "transport"), [case for n, case in enumerate(CASES) if n % 4 == 0])
def test_without_redaction_every_canary_leaves(
    environment: Environment, framework: str, opt_in: str, transport: str
) -> None:
    told = of_framework(environment, framework, opt_in, transport, "none")
    assert set(told["left"]) == set(CANARIES)


@pytest.mark.slow("waits for an application that does not end")
def test_an_application_that_a_thread_keeps_from_ending_is_searched(folder: Path) -> None:
    done = run_audit(folder, "threaded", "--redact", "none", "--json")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["spans"] == 4


@SLOW
def test_an_application_that_runs_elsewhere_is_asked_by_its_url(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        http_port, grpc_port = one.getsockname()[1], other.getsockname()[1]
    variables = clean_environment(
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{http_port}",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_BSP_SCHEDULE_DELAY="100",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
    )
    serving = [sys.executable, "-m", "nanospan.cli.audit.application", "wsgi_shop", "wsgi", str(folder / "log")]
    with subprocess.Popen(
        serving, cwd=folder, env=environment_for_run(variables), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        ports = ["--http-port", str(http_port), "--grpc-port", str(grpc_port)]
        done = CliRunner().invoke(command, ["audit", "--url", url, *ports, "--wait", str(WAIT), "--json"])
        process.communicate(timeout=WAIT)
    assert done.exit_code == 1, done.output
    assert "token" in json.loads(done.stdout)["left"]
