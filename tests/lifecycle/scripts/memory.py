"""``memory.py <endpoint> <max_queue_bytes>``: ends two million spans and reports what of them stays in memory."""

# ruff: noqa: E402

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

SPANS = 2_000_000
ROUND = 100_000

sys.path.insert(0, str(Path(__file__).parents[2]))

from app import report
from support.accounting import ended_span

import nanospan
from nanospan.export.http import OTLPSpanExporter


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(endpoint: str, max_queue_bytes: int) -> None:
    attributes = {f"key {number}": f"{number} {'x' * 60}" for number in range(10)}
    spans = [ended_span(f"span {number}", attributes=attributes) for number in range(100)]
    processor = nanospan.BatchSpanProcessor(
        # Longer than the test: a receiver that hangs holds one export from the beginning to the end.
        OTLPSpanExporter(endpoint, timeout=600),
        max_queue_size=SPANS,
        max_queue_bytes=max_queue_bytes,
        export_timeout_millis=600_000,
    )
    on_end = processor.on_end
    on_end(spans[0])
    gc.collect()
    before = resident_bytes()
    blocks = sys.getallocatedblocks()
    most = max_blocks = 0
    for _ in range(SPANS // ROUND):
        for _ in range(ROUND // len(spans)):
            for span in spans:
                on_end(span)
        most = max(most, resident_bytes() - before)
        max_blocks = max(max_blocks, sys.getallocatedblocks() - blocks)
    report(grown=most, blocks=max_blocks, stats=processor.stats())
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
