"""Web servers whose application has no line of nanospan: no end loses a span of an answered request.

docs/compatibility.md has the table of these runs; with `--junit-xml` the properties give the numbers of spans.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from servers.requirements import environment_of
from servers.table import CONFIGURATIONS, Configuration
from servers.web_server import WebServer
from support.extra_packages import Collector


@pytest.mark.timeout(900)  # the first time it fetches and compiles packages
@pytest.mark.parametrize(
    ("configuration", "life"),
    [
        pytest.param(configuration, life, id=f"{configuration.name}: {', '.join(life)}")
        for configuration in CONFIGURATIONS
        for life in configuration.lives
    ],
)
def test_no_end_of_a_server_loses_a_span(
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
    configuration: Configuration,
    life: tuple[str, ...],
) -> None:
    environment = environment_of(request, configuration)
    # Not pytest's folder: a socket of uWSGI's or Apache's needs a short name.
    with (
        TemporaryDirectory(prefix="server-") as folder,
        Collector() as collector,
        WebServer(configuration, environment, collector, Path(folder)) as server,
    ):
        server.live(life)
        record_property("spans", server.ended)
