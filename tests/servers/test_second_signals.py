"""Web servers whose processes get a signal again while they send their last spans.

A terminal and a service manager send the signal to all processes, and the main process of many servers sends another to its
workers: at once, or, as hypercorn's, when the first of them has ended.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from servers.requirements import environment_of
from servers.table import CONFIGURATIONS, Configuration
from servers.web_server import WebServer
from support.patient_collector import PatientCollector


def ends_of(configuration: Configuration) -> list[str]:
    """The ends in order by a signal of a terminal or a service manager."""
    if configuration.packages == ("mod_wsgi",):
        return []  # Apache signals each of its processes once
    ends = {end.removesuffix(" under load") for life in configuration.lives for end in life}
    return sorted(ends & {"TERM", "INT", "INT to all"})


@pytest.mark.slow("each starts a server")
@pytest.mark.timeout(900)  # the first time it fetches and compiles packages
@pytest.mark.parametrize(
    ("configuration", "end"),
    [
        pytest.param(configuration, end, id=f"{configuration.name}: {end}")
        for configuration in CONFIGURATIONS
        for end in ends_of(configuration)
    ],
)
def test_a_second_signal_loses_no_span(request: pytest.FixtureRequest, configuration: Configuration, end: str) -> None:
    """The collector answers when the process that sends has handled it, unless that has gone without the answer by then."""
    environment = environment_of(request, configuration)

    def end_again(body: bytes, wait_until: Callable[[Callable[[], bool]], None]) -> None:
        for pid in server.senders(body):
            os.kill(pid, signal.Signals[f"SIG{end.split()[0]}"])
            wait_until(partial(server.is_handled, pid))

    with (
        TemporaryDirectory(prefix="server-") as folder,
        PatientCollector(end_again) as collector,
        WebServer(configuration, environment, collector, Path(folder)) as server,
    ):
        server.live((end,), in_silence=False)
