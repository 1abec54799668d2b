"""W3C Trace Context through an ASGI and a WSGI service, whose servers and instrumentations are the real ones.

W3C's own suite runs too if ``NANOSPAN_TRACE_CONTEXT`` names a checkout of github.com/w3c/trace-context: pip cannot fetch it.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from support.accounting import WAIT
from support.extra_packages import Environment, environment_with
from support.propagation.w3c_cases import CASES, SPAN, TRACE, Case

SERVICE = Path(__file__).parent / "service.py"
CHECKOUT = os.environ.get("NANOSPAN_TRACE_CONTEXT")


class Service:
    """A running service.py."""

    def __init__(self, environment: Environment, kind: str, implementation: str) -> None:
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTHON"))}
        variables |= {"no_proxy": "127.0.0.1"}
        command = [environment.python, str(SERVICE), kind, implementation]
        self.process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def sent(self, headers: list[tuple[str, str]], requests: int = 1) -> list[dict[str, str]]:
        """The headers of the requests that the service makes after one with these headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)
        body = json.dumps([{"url": None}] * requests).encode()
        connection.putrequest("POST", "/")
        connection.putheader("Content-Length", str(len(body)))
        for name, value in headers:
            connection.putheader(name, value.encode("latin-1"))
        connection.endheaders(body)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        assert response.status == 200
        return answer

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture(scope="module")
def environment(request: pytest.FixtureRequest) -> Environment:
    beta = version("opentelemetry-semantic-conventions")
    packages = [f"opentelemetry-instrumentation-{kind}=={beta}" for kind in ("asgi", "wsgi")]
    return environment_with(request.config, "aiohttp", "uvicorn", *packages)


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def service(request: pytest.FixtureRequest, environment: Environment) -> Iterator[Service]:
    running = Service(environment, request.param, "nanospan")
    yield running
    running.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def outcome(sent: dict[str, str]) -> tuple[bool, list[Any], int]:
    """Whether the trace goes on, the trace state and the flags, of the headers of one request."""
    fields = sent["traceparent"].split("-")
    assert [len(one) for one in fields] == [2, 32, 16, 2]
    assert fields[0] == "00" and fields[2] != SPAN and int(fields[1], 16) and int(fields[2], 16)
    members = [member.partition("=")[::2] for member in sent.get("tracestate", "").split(",") if member]
    # Another digit at the end is the other of two trace ids.
    return fields[1][:-1] == TRACE[:-1], members, int(fields[3], 16)


def check(case: Case, sent: dict[str, str]) -> None:
    continues, members, flags = outcome(sent)
    assert continues == case.continues
    assert members == case.members
    assert case.flags is None or flags == case.flags


@pytest.mark.parametrize("name", CASES)
def test_headers(service: Service, name: str) -> None:
    check(CASES[name], service.sent(CASES[name].headers)[0])


@pytest.mark.parametrize("parent", [f"00-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", None])
def test_several_requests_have_a_span_each(service: Service, parent: str | None) -> None:
    sent = service.sent([] if parent is None else [("traceparent", parent)], 3)
    fields = [headers["traceparent"].split("-") for headers in sent]
    assert len({span_id for _, _, span_id, _ in fields}) == 3
    assert len({trace_id for _, trace_id, _, _ in fields}) == 1


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_where_the_apis_propagator_differs(environment: Environment, kind: str) -> None:
    """The cases that say so, and no others; a WSGI server has joined duplicates, which the API's class refuses too."""
    running = Service(environment, kind, "stock")
    found = set()
    try:
        for name, case in CASES.items():
            continues, members, _ = outcome(running.sent(case.headers)[0])
            if (continues, members) != (case.continues, case.members):
                found.add(name)
    finally:
        running.close()
    joined = {name for name, case in CASES.items() if case.differs == "takes the first" and kind == "wsgi"}
    assert found == {name for name, case in CASES.items() if case.differs} - joined


@pytest.mark.skipif(CHECKOUT is None, reason="NANOSPAN_TRACE_CONTEXT names no checkout of github.com/w3c/trace-context")
@pytest.mark.parametrize("level", ["1", "2"])
def test_the_suite_of_w3c_passes(environment: Environment, service: Service, level: str) -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTHON"))}
    variables |= {"SPEC_LEVEL": level, "STRICT_LEVEL": "2", "no_proxy": "127.0.0.1", "HARNESS_PORT": str(free_port())}
    run = subprocess.run(
        [environment.python, "test.py", f"http://127.0.0.1:{service.port}/"],
        cwd=Path(str(CHECKOUT)) / "test",
        env=variables,
        capture_output=True,
        text=True,
        timeout=WAIT,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    passed = re.search(r"^Ran (\d+) tests", run.stderr, re.MULTILINE)
    assert passed is not None and int(passed[1]) >= 40, run.stderr
    print(run.stderr)
