"""``work <ending>``: two tasks, and then the end: return, fail or wait for a signal."""

from __future__ import annotations

import signal

import ledger
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ending", choices=("return", "fail", "wait"))

    def handle(self, ending: str, **_: object) -> None:
        ledger.work(0)
        ledger.work(1)
        if ending == "fail":
            raise CommandError("as asked")
        while ending == "wait":
            signal.pause()
