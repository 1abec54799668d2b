"""The command ``nanospan``. Needs the extra ``cli`` (click and rich), but for ``run``, and says so without it."""

from __future__ import annotations

import io
import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the command; leaves through SystemExit."""
    if sys.argv[1:2] == ["run"]:
        from nanospan.cli.run.command import run

        run(sys.argv[2:])
    try:
        import click  # noqa: F401
        import rich  # noqa: F401
    except ModuleNotFoundError as error:
        sys.exit(f"nanospan: the command needs {error.name}; install it with: pip install 'nanospan[cli]'")
    from nanospan.cli.commands import nanospan

    if isinstance(sys.stdout, io.TextIOWrapper):
        # Spans may contain text that the terminal's encoding does not support; print a question mark instead.
        sys.stdout.reconfigure(errors="replace")
    nanospan(prog_name="nanospan")
