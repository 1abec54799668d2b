"""A Kafka broker of one node, which is its own controller (KRaft). Maven fetches Kafka's jars once, into pytest's cache."""

from __future__ import annotations

import base64
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.accounting import WAIT
from support.brokers.server import free_port, program, running
from support.extra_packages import locked

ARTIFACT = ("org.apache.kafka", "kafka_2.13", "4.1.1")
"""Runs on Java 17 and later."""

_ATTEMPTS = 3
_FETCH_SECONDS = 120
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>nanospan.tests</groupId><artifactId>broker</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>
  </dependencies>
</project>
"""
_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""
# The tests start the broker often and send little: a quick start is worth more than compiled code.
_JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")

_not_to_be_had: list[str] = []


def kafka_jars(config: pytest.Config) -> Path:
    """The folder with Kafka's jars and those that they need; skips if Maven is missing or cannot fetch them."""
    if _not_to_be_had:
        pytest.skip(_not_to_be_had[0])
    maven = program("mvn", package="maven")
    cache: Any = getattr(config, "cache", None)
    base = Path(tempfile.gettempdir()) / "nanospan-kafka" if cache is None else cache.mkdir("kafka")
    folder = base / ARTIFACT[2]
    with locked(folder):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            (folder / "pom.xml").write_text(_POM.format(*ARTIFACT))
            goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}/jars"]
            try:
                run = subprocess.run(
                    [maven, "-B", "-q", *goal], cwd=folder, capture_output=True, text=True, timeout=_FETCH_SECONDS
                )
                problem = "" if run.returncode == 0 else next(iter(run.stdout.splitlines()), "no reason given")
            except subprocess.TimeoutExpired:
                problem = f"not done after {_FETCH_SECONDS} seconds"
            if problem:
                # One attempt has to do for all tests: with no network it takes its time.
                _not_to_be_had.append(f"Maven cannot fetch {':'.join(ARTIFACT)}: {problem}")
                pytest.skip(_not_to_be_had[0])
            (folder / "complete").touch()
    return folder / "jars"


@contextmanager
def kafka_broker(config: pytest.Config, folder: Path) -> Iterator[str]:
    """A broker with its data below ``folder``; gives ``host:port``. It creates the topics that are asked for."""
    java = program("java", package="default-jre-headless")
    command = [java, *_JVM, "-cp", f"{kafka_jars(config)}/*"]
    for attempt in range(_ATTEMPTS):
        place = folder / str(attempt)
        place.mkdir(parents=True)
        port, controller = free_port(), free_port()
        properties = place / "server.properties"
        properties.write_text(_PROPERTIES.format(port=port, controller=controller, folder=place))
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        form = [*command, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
        done = subprocess.run(form, cwd=place, capture_output=True, text=True, timeout=WAIT)
        assert done.returncode == 0, done.stdout + done.stderr
        server = running([*command, "kafka.Kafka", str(properties)], port=port, folder=place / "log")
        try:
            server.__enter__()
        except AssertionError as error:
            # Another process has taken a port.
            if attempt + 1 == _ATTEMPTS or "BindException" not in str(error):
                raise
            continue
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.__exit__(None, None, None)
        return
