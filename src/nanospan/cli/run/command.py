"""Replaces this process by the command, whose Python processes find nanospan's `sitecustomize`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import NoReturn

from nanospan._bootstrap import SITE

__all__ = ["HELP", "run"]

HELP = """Run a Python program with tracing, and no change to its code.

  nanospan run python app.py
  nanospan run gunicorn --workers 4 app:app
  nanospan run -- python -m package --option

nanospan stands in place of the OpenTelemetry SDK in every Python process of the command, traces go by OTLP to
OTEL_EXPORTER_OTLP_ENDPOINT, and the instrumentations that are installed are started. The variables of OpenTelemetry
configure all of it. A provider that the program sets itself is used.
"""
_USAGE = "Usage: nanospan run [--] COMMAND [ARGUMENT]..."


def run(arguments: Sequence[str]) -> NoReturn:
    """Run the command in ``arguments``; leaves by exec, or SystemExit: 2 for a wrong call, 126 and 127 as a shell."""
    words = list(arguments)
    if words[:1] in (["-h"], ["--help"]):
        print(f"{_USAGE}\n\n{HELP}", end="")
        sys.exit(0)
    if words[:1] == ["--"]:
        del words[0]
    elif words and words[0].startswith("-"):
        _fail(2, f"{_USAGE}\nnanospan run has no options; write the command, such as: nanospan run python app.py")
    if not words:
        _fail(2, f"{_USAGE}\nThe command is missing, such as: nanospan run python app.py")
    program = shutil.which(words[0])
    if program is None:
        code = 126 if os.path.exists(words[0]) else 127
        _fail(code, f"nanospan run: {words[0]} is not a program that can be started, here or in a folder of PATH")
    environment = environment_for_run(dict(os.environ))
    try:
        os.execve(program, words, environment)
    except OSError as error:
        _fail(126, f"nanospan run: {program} cannot be started: {error.strerror}")


def environment_for_run(environment: dict[str, str]) -> dict[str, str]:
    """``environment`` with what makes Python processes trace themselves; they pass it on to their children."""
    others = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry and entry != SITE]
    return {**environment, "PYTHONPATH": os.pathsep.join([SITE, *others]), "OTEL_PYTHON_NANOSPAN_INSTALL": "true"}


def _fail(code: int, sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr)
    sys.exit(code)
