"""The data of the conventions: its form, and that it is what the packages of the registries say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nanospan.contract import conventions

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "scripts" / "semconv" / "generate.py"
DATA = Path(conventions.__file__).with_name("data")
TYPES = {"any", "boolean", "double", "int", "int[]", "string", "string[]"}
HOWS = {"renamed", "by_span", "type", "merged", "split", "removed", "moved", "metric"}

# Renames that the package for Python, of version 1.44, does not have: two whose constants have one name in Python, and those
# of version 1.45.
NOT_IN_PYTHON = {
    *("android.state", "ios.state"),
    *("messaging.eventhubs.message.enqueued_time", "messaging.system", "system.device"),
    *(f"messaging.gcp_pubsub.message.{name}" for name in ("ack_deadline", "ack_id", "delivery_attempt", "ordering_key")),
    *(f"messaging.kafka.{name}" for name in ("cluster.id", "message.key", "message.tombstone", "offset")),
    *(f"messaging.rabbitmq.{name}" for name in ("destination.routing_key", "message.delivery_tag")),
    *(
        f"messaging.rocketmq.message.{name}"
        for name in ("delay_time_level", "delivery_timestamp", "group", "keys", "tag", "type")
    ),
    *("messaging.rocketmq.consumption_model", "messaging.rocketmq.namespace"),
    *(f"messaging.servicebus.{name}" for name in ("disposition_status", "message.delivery_count", "message.enqueued_time")),
    *("rpc.request.metadata.<key>", "rpc.response.status_code"),
}


def rows(name: str) -> list[list[str]]:
    return [line.split("\t") for line in (DATA / name).read_text().splitlines()[1:]]


def test_its_form() -> None:
    attributes = rows("attributes.tsv")
    keys = [row[0] for row in attributes]
    assert keys == sorted(set(keys)) and len(keys) > 900
    assert {row[1] for row in attributes} <= TYPES
    assert {row[2] for row in attributes} == {"stable", "development"}
    renames = rows("renames.tsv")
    assert len({(old, since) for old, since, _, _ in renames}) == len(renames)
    assert {row[3] for row in renames} <= HOWS
    for _, _, new, how in renames:
        assert (new == "-") == (how in ("removed", "moved")), new
    assert {len(row) for row in rows("values.tsv")} == {5}


@pytest.mark.timeout(600)
@pytest.mark.slow("downloads the packages of four registries")
def test_it_is_what_the_packages_say(tmp_path: Path) -> None:
    if not SCRIPT.exists():
        pytest.skip("the scripts are not beside the tests")
    for program in ("mvn", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    command = [sys.executable, "-B", str(SCRIPT), str(tmp_path / "packages"), "--fetch", "--output", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=580)
    if run.returncode and "CalledProcessError" in run.stderr:
        pytest.skip(f"the packages cannot be had: {run.stderr.splitlines()[-1]}")
    assert run.returncode == 0, run.stderr
    for name in ("attributes.tsv", "renames.tsv", "values.tsv"):
        assert (tmp_path / name).read_text() == (DATA / name).read_text(), name
    agree, *others = run.stdout.splitlines()
    assert agree == "94 of 94 renames of the package for Python agree"
    assert {line.partition(": ")[0] for line in others} == NOT_IN_PYTHON


@pytest.mark.slow("downloads the packages of four registries")
def test_its_types_are_those_of_another_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pip")
    requirement = "sentry-conventions==0.29.0"
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(tmp_path), requirement]
    if subprocess.run(download, capture_output=True).returncode:
        pytest.skip(f"{requirement} cannot be had")
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    from packages import sentry_types

    here = {key: kind for key, kind, _, _ in rows("attributes.tsv") if kind != "any"}
    theirs = sentry_types(tmp_path)
    both = here.keys() & theirs.keys()
    assert len(both) > 200
    # That list has its own reading of three attributes.
    assert {key for key in both if here[key] != theirs[key]} == {
        *("gen_ai.request.seed", "gen_ai.request.top_k", "gen_ai.response.finish_reasons")
    }
