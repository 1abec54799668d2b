"""The folders of examples/, the commands of their READMEs, and what these do."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from support.accounting import WAIT, wait_until
from support.extra_packages import Collector, Environment, environment_with

from nanospan.receiver import Span

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# Those of messaging need a broker: tests/messaging/clients runs them.
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/README.md") if not path.parent.name.startswith("messaging-"))

TYPES = {"celery": ["celery-types"], "django": ["django-stubs"]}
"""Packages with the types of others, for the type checkers."""

each_example = pytest.mark.parametrize(
    "name", NAMES or [pytest.param("", marks=pytest.mark.skip(reason="examples/ is not beside these tests"))]
)


@dataclass(frozen=True)
class Readme:
    """What the page of an example says to type, and what it says one will see."""

    install: str
    start: str
    ask: str | None
    """The command of its second block, for another terminal."""

    tree: list[str]
    """The spans that it shows, as `tree` has them."""

    @classmethod
    def of(cls, name: str) -> Readme:
        text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
        blocks = re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        install, start = blocks[0].splitlines()
        shown = [line[4:] for line in text.splitlines() if line.startswith("    ")]
        return cls(install, start, blocks[1].strip() if len(blocks) > 1 else None, names_in(shown))


def names_in(waterfall: list[str]) -> list[str]:
    """The spans of a trace that `nanospan receive` shows: indented, with the branches of the tree, and without the bars."""
    scale = next(number for number, line in enumerate(waterfall) if re.match(r" +0 ", line))
    found = [re.match(r"( *(?:[│├└] +)*)(\S+(?: \S+)*)", line) for line in waterfall[scale + 1 :]]
    rows = [match[0] for match in found if match]
    end = next((number for number, line in enumerate(waterfall[scale + 1 :]) if not line.strip()), len(rows))
    return rows[:end]


def tree(spans: list[Span], parent: str = "", indentation: str = "") -> list[str]:
    """The spans by name, children under their parents, as `nanospan receive` shows them."""
    children = sorted((span for span in spans if span.parent_span_id == parent), key=lambda span: span.start_unix_nano)
    rows = []
    for span in children:
        is_last = span is children[-1]
        branch, below = ("└ ", "  ") if is_last else ("├ ", "│ ")
        rows.append(f"{indentation}{branch if parent else ''}{span.name}")
        rows += tree(spans, span.span_id, indentation + below if parent else "")
    return rows


def environment_of(config: pytest.Config, name: str) -> Environment:
    if os.environ.get("NANOSPAN_SUITES") == "0":
        pytest.skip("NANOSPAN_SUITES=0 leaves out what fetches packages")
    requirements = (EXAMPLES / name / "requirements.txt").read_text(encoding="utf-8").split()
    return environment_with(config, *requirements, *TYPES.get(name, []))


class Terminal:
    """Runs the commands of a page in a copy of its folder; spans go to ``collector``."""

    def __init__(self, name: str, environment: Environment, collector: Collector, folder: Path) -> None:
        self.folder = folder / name
        shutil.copytree(EXAMPLES / name, self.folder, ignore=shutil.ignore_patterns("__pycache__"))
        programs = folder / "bin"
        programs.mkdir()
        python = environment.python
        of_the_environment = {
            "nanospan": f"{python} -m nanospan.cli",
            "gunicorn": f"{python} -m gunicorn",  # may be installed below this environment, for another interpreter
            "pip": f"{sys.executable} -m pip --python {python} --quiet --disable-pip-version-check",
        }
        for program, command in of_the_environment.items():
            (programs / program).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            (programs / program).chmod(0o755)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OTEL_", "PYTHON")) and not name.lower().endswith("_proxy")
        }
        self.variables = inherited | {
            "PATH": os.pathsep.join(map(str, (programs, environment.bin, os.environ.get("PATH", "")))),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint_http.removesuffix("/v1/traces"),
            "OTEL_BSP_SCHEDULE_DELAY": "100",  # a worker process of Celery's may not live to send at its end
            "UVICORN_PORT": str(self.port),
            "FLASK_RUN_PORT": str(self.port),
            "GUNICORN_CMD_ARGS": f"--bind=127.0.0.1:{self.port} --no-control-socket",
            "COLUMNS": "100",
        }

    def start(self, command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "-c", f"exec env {command}"],
            env=self.variables,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> str:
        """What it prints; it must end with code 0."""
        process = self.start(command)
        out, _ = process.communicate(timeout=WAIT)
        assert process.returncode == 0, out
        return out

    def ask(self, command: str) -> None:
        """Run what is typed in the other terminal; ``curl`` is done here, once the server answers."""
        if not command.startswith("curl "):
            self.run(command)
            return
        wait_until(self._is_served, "the server listens")
        url = re.sub(r"^curl localhost:\d+", f"http://127.0.0.1:{self.port}", command)
        urlopen(url, timeout=WAIT).close()

    def _is_served(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), WAIT).close()
        except OSError:
            return False
        return True


def end(process: subprocess.Popen[str]) -> str:
    """What a server has printed, ended as by Ctrl-C."""
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=WAIT)[0]
    finally:
        process.kill()
        process.wait()
