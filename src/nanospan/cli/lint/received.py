"""``nanospan receive --check``: the semantic conventions on what arrives."""

from __future__ import annotations

from rich.console import Console

from nanospan.cli.format import count
from nanospan.cli.lint.semconv import RequestChecker
from nanospan.cli.receive.request_queue import RequestQueue
from nanospan.contract.conventions import Conventions
from nanospan.lint.report import Finding, fails

__all__ = ["Checking"]

MAX_QUEUED_BYTES = 64 << 20
LAST_SECONDS = 60.0
"""What the end waits for requests that are not checked yet."""


class Checking(RequestQueue):
    """Checks each request. Never blocks: what waits is bounded, and what is not checked is counted."""

    def __init__(self, *, max_bytes: int = MAX_QUEUED_BYTES) -> None:
        self._checker = RequestChecker(Conventions())
        super().__init__(lambda body, spans: self._checker.check(body), name="nanospan-receive-check", max_bytes=max_bytes)

    def close(self) -> None:
        """Check what waits."""
        self.drain(LAST_SECONDS)
        self.join(LAST_SECONDS)

    def findings(self) -> list[Finding]:
        return self._checker.report()

    def show(self, console: Console) -> bool:
        """Print the findings, the gravest first; True if there is a violation."""
        found = self.findings()
        for one in found:
            style = "red" if one.level == "violation" else "yellow" if one.level == "improvement" else "dim"
            console.print(f"{one.rule}  {one.message}", style=style, markup=False, soft_wrap=True)
        lost = f", {count(self.lost)} not checked" if self.lost else ""
        console.print(f"{count(self.delivered)} spans checked{lost}, {count(len(found))} findings", markup=False)
        return fails(found, "violation")
