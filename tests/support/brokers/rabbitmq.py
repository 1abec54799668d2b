"""A node of RabbitMQ, with an epmd of its own, in a folder of the tests: nothing of a system service is used or changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.brokers.server import free_port, program, running

_SCRIPTS = "/usr/lib/rabbitmq/bin"
"""Debian's scripts in PATH change to the user of its service; those here run as whoever starts them."""


@contextmanager
def rabbitmq(folder: Path) -> Iterator[int]:
    """Runs a broker on a free port of the loopback interface, which it gives; guest may enter with the password guest."""
    found = program("rabbitmq-server", _SCRIPTS, package="rabbitmq-server")
    server = Path(_SCRIPTS) / "rabbitmq-server"
    epmd = program("epmd", package="erlang-base")
    port, names_port, distribution_port = free_port(), free_port(), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plugins").write_text("[].\n")
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\n"
        "log.console = true\nlog.console.level = warning\nlog.file = false\n"
        "disk_free_limit.absolute = 1MB\n"
    )
    environment = {
        "HOME": str(folder),  # of the cookie
        "ERL_EPMD_PORT": str(names_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"nanospan-{port}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution_port),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": str(folder / "none"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +A 16 +sbwt none",
    }
    names = running([epmd, "-port", str(names_port)], port=names_port, folder=folder / "epmd", environment=environment)
    command = [str(server) if os.access(server, os.X_OK) else found]
    with names, running(command, port=port, folder=folder / "server", environment=environment):
        yield port
