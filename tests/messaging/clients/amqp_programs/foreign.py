"""``foreign.py LEG TRACING PORT PREFIX SPANS``: messages between clients that are traced in different ways.

``produce``: each client sends messages to queues of its own, whose names begin with PREFIX. ``consume``: each client reads
those of the other, in all of its ways; prints what has come.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from clients import MODES, READERS, SENDERS, Came
from tracings import set_up

from nanospan.messaging import stats


def main() -> None:
    leg, kind, port, prefix, spans = sys.argv[1:]
    wraps, processor = set_up(kind, spans)
    report: dict[str, Any] = {"messages": {}, "traceparents": [], "open": 0, "current": 0}
    for name, other in (("pika", "aio-pika"), ("aio-pika", "pika")):
        for mode in MODES:
            queue = f"{prefix} {name if leg == 'produce' else other} {mode}"
            if leg == "produce":
                SENDERS[name](int(port), queue, wraps[name])
                continue
            came = Came(lambda: processor.open)
            READERS[name](int(port), queue, mode, wraps[name], came)
            report["messages"][f"{name} {mode}"] = came.messages
            report["traceparents"] += came.traceparents
            report["open"] += came.open
            report["current"] += came.current
    print(json.dumps(report | {"stats": dict(stats())}))


if __name__ == "__main__":
    main()
