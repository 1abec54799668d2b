"""The fenced blocks of the README and of docs/, and those that no test can run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

RUN = ("python", "yaml", "bash")
NOT_CODE = ("rooms", "cython", "c")
"""The languages of the other fences. They are no programs by themselves; other tests read the rooms."""

NOT_RUN = {
    ("docs/evidence/cython.md", "import subprocess, sys"): "needs the module above it, built by Cython, and shows its crash",
}
"""Blocks by page and first line, and why they are not run."""

OTHERS = {
    "celery": ("celery", "opentelemetry-instrumentation-celery"),
    "ddtrace": ("ddtrace==4.16.0",),
    "django": ("django", "opentelemetry-instrumentation-django"),
    "fastapi": ("fastapi", "opentelemetry-instrumentation-fastapi"),
    "fastotel": ("fastotel==0.9.1",),
    "logfire": ("logfire==5.4.0",),
    "sentry_sdk": ("sentry-sdk==2.75.0",),
}
"""Modules that blocks import, and the packages of others that they need, in the releases that docs/migrating.md names."""

SENDS_ELSEWHERE = {
    ("docs/migrating.md", "from ddtrace.trace import tracer"): "sends to Datadog's agent, and complains that there is none",
    ("docs/migrating.md", "import sentry_sdk"): "sends to Sentry, if it is told where that is",
}
"""Blocks by page and first line, all before a migration, whose spans no receiver of OTLP gets."""

COMMANDS_NOT_RUN = {
    "pip install": "the tests do not install nanospan from an index",
    "pip uninstall": "the tests' environment has no other tracer",
    "nanospan run celery": "serves until Ctrl-C; tests/examples runs it",
    "nanospan run gunicorn": "serves until Ctrl-C; tests/examples runs it",
    "nanospan run uvicorn": "serves until Ctrl-C; tests/examples runs it",
    "nanospan receive": "serves until Ctrl-C; tests/cli/test_cli.py runs it",
}
"""Lines of bash blocks by their beginnings, and why they are left out of a run."""


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    text: str

    @property
    def key(self) -> tuple[str, str]:
        return self.page, self.text.partition("\n")[0]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    return [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if path.exists()]


def blocks() -> Iterator[Block]:
    """Every fenced block, also those in lists."""
    for path in pages():
        page = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        for found in re.finditer(r"^( *)```(\w*)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
            yield Block(page, text.count("\n", 0, found.start()) + 1, found[2], found[3])
