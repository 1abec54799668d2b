"""A function for AWS Lambda: the number of an event is that of its spans."""

from __future__ import annotations

from typing import Any

import ledger

ledger.span("init")


def handler(event: dict[str, Any], context: Any) -> int:
    ledger.work(event["number"])
    if event.get("fails"):
        raise ValueError("this event fails")
    return event["number"]
