"""Hosts and the broker, as fixtures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hosts.running import Hosts
from support.brokers.redis import redis_on_a_socket
from support.extra_packages import Collector, environment_with


@pytest.fixture
def broker() -> Iterator[Path]:
    """The socket of a redis-server."""
    with redis_on_a_socket() as socket:
        yield socket


@pytest.fixture
def hosts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Hosts]]:
    """Makes `Hosts` with packages; skips where pip cannot fetch them."""
    made: list[Hosts] = []

    def with_packages(*requirements: str) -> Hosts:
        if os.environ.get("NANOSPAN_SUITES") == "0":
            pytest.skip(f"NANOSPAN_SUITES=0 leaves out what needs {', '.join(requirements)}")
        made.append(Hosts(environment_with(request.config, *requirements), Collector(), tmp_path))
        return made[-1]

    yield with_packages
    for one in made:
        one.kill()
        one.collector.stop()
