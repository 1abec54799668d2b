"""`rename` and `dup` give what the instrumentations give themselves under ``http`` and ``http/dup``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.extra_packages import environment_with

from nanospan.contract.conventions import Conventions

PROGRAM = str(Path(__file__).with_name("programs") / "requests_of_frameworks.py")
PACKAGES = ("fastapi", "flask", "requests", "sqlalchemy")
INSTRUMENTATIONS = [f"opentelemetry-instrumentation-{name}" for name in PACKAGES]
# The port of a client is another one in each run.
OF_ONE_RUN = {"client.port", "net.peer.port"}
# What an instrumentation writes in addition, and no attribute of old names tells.
NOT_TOLD = {
    "requests": {
        *("network.peer.address", "network.peer.port", "network.protocol.version"),
        # Of old names, and only beside the new.
        *("http.flavor", "http.host", "net.peer.port"),
    }
}
# Old names without a new one: the instrumentations drop them, the contract drops nothing.
KEPT = {"db.user"}


@pytest.fixture(scope="module")
def spans(request: pytest.FixtureRequest) -> dict[str, list[dict[str, Any]]]:
    environment = environment_with(request.config, "fastapi", "flask", "sqlalchemy<2.1", "uvicorn", *INSTRUMENTATIONS)
    switches = {"": None, "new": "http,database", "dup": "http/dup,database/dup"}
    runs = {
        name: environment.run("python", PROGRAM, timeout=180, OTEL_SEMCONV_STABILITY_OPT_IN=switch).report
        for name, switch in switches.items()
    }
    # Servers end their spans when the client has its answer already.
    return {name: sorted(run, key=_place) for name, run in runs.items()}


@pytest.mark.timeout(600)
@pytest.mark.slow("installs fastapi, flask and sqlalchemy with their instrumentations")
@pytest.mark.parametrize(("mode", "switch"), [("rename", "new"), ("dup", "dup")])
def test_gives_what_the_instrumentations_give(spans: dict[str, list[dict[str, Any]]], mode: Any, switch: str) -> None:
    conventions = Conventions(mode=mode)
    assert len(spans[""]) == len(spans[switch]) == 9 * 2 + 3
    for old, new in zip(spans[""], spans[switch], strict=True):
        ours = conventions._apply_plain(old["attributes"], old["kind"])
        theirs = new["attributes"]
        assert (old["scope"], old["kind"]) == (new["scope"], new["kind"])
        for key in OF_ONE_RUN & ours.keys() & theirs.keys():
            theirs[key] = ours[key]
        told = theirs.keys() - NOT_TOLD.get(old["scope"].rpartition(".")[2], set())
        assert {key: ours.get(key) for key in told} == {key: theirs[key] for key in told}, old
        assert ours.keys() - theirs.keys() <= KEPT, old


def _place(span: dict[str, Any]) -> tuple[Any, ...]:
    attributes = span["attributes"]
    text = next((attributes[key] for key in ("url.full", "http.url", "url.path") if key in attributes), "")
    target = attributes.get("http.target", "").partition("?")[0]
    status = attributes.get("http.status_code", attributes.get("http.response.status_code", 0))
    path = (target or text).partition("1234")[2] or target or text
    return span["scope"], span["kind"], path.partition("?")[0], status, attributes.get("db.statement", "")
