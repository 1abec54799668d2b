"""The examination of another process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nanospan._common.arguments import MAX_FLOAT, check_number
from nanospan._common.environment import collected_warnings, variable_text
from nanospan._doctor.endpoints import ask, check_answer, endpoint_of, transport_of
from nanospan._doctor.environment import check_environment, list_variables
from nanospan._doctor.process.connections import connections_to
from nanospan._doctor.process.proc import Process, ProcessError, read_process
from nanospan._doctor.process.within import WithinError, diagnose_within
from nanospan._doctor.report import Finding, Level, Report, worst_first
from nanospan._doctor.versions import list_versions
from nanospan.processor.batch import default_exporter

__all__ = ["ProcessError", "diagnose_process"]

MAX_NAMED = 10
_HOME = Path(__file__).parents[3]
"""The folder that this process has nanospan from."""
UNSEEN = "a provider that is not seen from outside"


def diagnose_process(pid: int, *, timeout: float = 5.0) -> Report:
    """Examine the process ``pid``: within it where that can be done, and else from outside. Raises ProcessError."""
    check_number("timeout", timeout, 0, MAX_FLOAT, above=True, accepted="a number of seconds above 0")
    process = read_process(pid)
    facts = _facts(process)
    about_it = list(_check_process(process))
    if "nanospan" not in process.loaded:
        return _from_outside(process, facts, about_it, timeout)
    try:
        report = diagnose_within(process, timeout)
    except WithinError as error:
        about_it.append(Finding(Level.NOTE, "process", f"it is seen from outside only: {error}", error.do))
        return _from_outside(process, facts, about_it, timeout)
    findings = [Finding(Level(one["level"]), one["about"], one["says"], one["do"]) for one in report["findings"]]
    return Report(
        provider=report["provider"],
        processors=report["processors"],
        environment=report["environment"],
        versions=report["versions"],
        findings=worst_first([*findings, *about_it]),
        process={**facts, "seen": "from within"},
    )


def _facts(process: Process) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "pid": process.pid,
        "command": " ".join(process.command),
        "python": process.python,
        "loaded": list(process.loaded),
        "threads": len(process.threads),
    }
    if process.children:
        facts["children"] = list(process.children)
    return facts


def _check_process(process: Process) -> Iterator[Finding]:
    if "nanospan" not in process.loaded:
        yield Finding(
            Level.ERROR,
            "process",
            "nanospan is not loaded in it: it makes spans with the SDK, or none",
            "Start it with `nanospan run`, or with OTEL_PYTHON_CONFIGURATOR=nanospan and opentelemetry-instrument.",
        )
    if process.replaced:
        yield Finding(
            Level.WARNING,
            "process",
            "nanospan was installed anew since it started: it runs the earlier one",
            "Start it again.",
        )
    if process.children:
        named = ", ".join(map(str, process.children[:MAX_NAMED]))
        more = f" and {len(process.children) - MAX_NAMED} more" if len(process.children) > MAX_NAMED else ""
        says = f"its children {named}{more} run Python too, each with a provider of its own"
        yield Finding(Level.NOTE, "process", says, f"If it is a server's first process, examine a worker: --pid {named}.")


def _from_outside(process: Process, facts: dict[str, Any], findings: list[Finding], timeout: float) -> Report:
    processors: list[dict[str, Any]] = []
    with _environment_of(process):
        findings += check_environment([], zero_code=True)
        environment = list_variables()
        if "nanospan" in process.loaded:
            processors += _exporter_of_the_environment(process, facts, findings, timeout)
    if process.home and not _is_ours(process):
        says = "it runs in another environment than the doctor: names and values are judged by what is installed here"
        findings.append(Finding(Level.NOTE, "process", says, "Run the doctor of the environment of the process."))
    return Report(
        provider={"class": UNSEEN if "nanospan" in process.loaded else "no provider of nanospan"},
        processors=processors,
        environment=environment,
        versions={**list_versions(process.package_folders), "python": process.python},
        findings=worst_first(findings),
        process={**facts, "seen": "from outside"},
        partial=True,
    )


def _is_ours(process: Process) -> bool:
    """Whether the process has nanospan from where the doctor has it."""
    try:
        return os.path.samefile(f"/proc/{process.pid}/root{process.home}", _HOME)
    except OSError:
        return False


@contextlib.contextmanager
def _environment_of(process: Process) -> Iterator[None]:
    """With the variables that the process was started with in place of this one's."""
    own = dict(os.environ)
    os.environ.clear()
    os.environ.update(process.environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(own)


def _exporter_of_the_environment(
    process: Process, facts: dict[str, Any], findings: list[Finding], timeout: float
) -> Iterator[dict[str, Any]]:
    """The exporter that the process has if its code names none, the answer to it, and the connections to its port."""
    names = [name.strip().lower() for name in variable_text("OTEL_TRACES_EXPORTER").split(",")]
    if not {"", "otlp"} & set(names):
        return
    try:
        with collected_warnings():
            exporter = default_exporter(None)
    except Exception as error:
        says = f"the exporter of its environment cannot be made here: {type(error).__name__}: {error}"
        findings.append(Finding(Level.NOTE, "endpoint", says, "Run the doctor of the environment of the process."))
        return
    transport = transport_of(exporter)
    endpoint = endpoint_of(exporter, transport)
    if transport is None or endpoint is None:
        return
    with contextlib.suppress(OSError, ValueError):
        port = port_of(endpoint)
        found = connections_to(process.pid, port)
        facts["connections"] = [f"{remote} ({state})" for remote, state in found] or [f"none to port {port}"]
    examined: dict[str, Any] = {"class": "the exporter of its environment", "endpoint": endpoint}
    if process.shares("net"):
        answer = ask(transport, timeout)
        for one in check_answer(endpoint, answer):
            # The code may name another endpoint.
            findings.append(Finding(Level.WARNING, one.about, f"by its environment, {one.says}", one.do))
        examined["answer"] = answer.as_dict()
    else:
        says = "it is in another network than the doctor, who cannot ask its endpoint"
        findings.append(Finding(Level.NOTE, "endpoint", says, "Run the doctor in its container."))
    exporter.shutdown()
    yield examined


def port_of(endpoint: str) -> int:
    """The port of a URL, or of ``host:port``. Raises ValueError if there is none."""
    scheme, _, rest = endpoint.rpartition("://")
    port = rest.partition("/")[0].rpartition(":")[2]
    return int(port) if port.isdecimal() else {"http": 80, "https": 443}.get(scheme) or int(port)
