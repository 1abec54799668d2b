"""Instrumentations with old names and with their newest: the alarms, and no false one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.extra_packages import Environment, environment_with

from nanospan.contract.conventions import Checker, Conventions, Finding

PROGRAM = str(Path(__file__).with_name("programs") / "newest_names.py")
NAMES = (
    *("aiohttp-client", "falcon", "fastapi", "flask", "httpx", "jinja2", "requests", "sqlalchemy", "sqlite3", "starlette"),
    *("urllib", "urllib3"),
)
LIBRARIES = ("aiohttp", "falcon", "fastapi", "flask", "httpx", "jinja2", "sqlalchemy<2.1", "uvicorn")
SCOPES = {f"opentelemetry.instrumentation.{name.replace('-', '_')}" for name in NAMES}
OF_NO_CONVENTION = {"opentelemetry.instrumentation.jinja2"}

pytestmark = [pytest.mark.slow("installs twelve instrumentations with their libraries"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def environment(request: pytest.FixtureRequest) -> Environment:
    return environment_with(request.config, *LIBRARIES, *(f"opentelemetry-instrumentation-{name}" for name in NAMES))


def violations(environment: Environment, switch: str | None) -> list[Finding]:
    spans: list[dict[str, Any]] = environment.run(
        "python", PROGRAM, timeout=500, OTEL_SEMCONV_STABILITY_OPT_IN=switch
    ).report
    assert {span["scope"].rstrip("/") for span in spans} == SCOPES
    checker = Checker(Conventions())
    for span in spans:
        checker.check_span(span["scope"], span["name"], span["kind"], span["attributes"], span["events"])
    return [one for one in checker.findings.report() if one.level == "violation"]


def test_the_newest_names_are_no_finding(environment: Environment) -> None:
    assert violations(environment, "http,database") == []


def test_the_old_names_are_found_and_the_message_names_the_switch_that_ends_them(environment: Environment) -> None:
    found = violations(environment, None)
    assert {one.id for one in found} == {"deprecated"}
    assert {one.scope.rstrip("/") for one in found} == SCOPES - OF_NO_CONVENTION
    assert [one for one in found if "OTEL_SEMCONV_STABILITY_OPT_IN=" not in one.hint] == []
