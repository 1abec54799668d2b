"""One implementation with a live BatchSpanProcessor in a process of its own, kept for all rounds by live.py.

    python -m live.live_worker IMPLEMENTATION ENDPOINT

Reads lines "CODE SPANS", makes that many spans as one busy thread, and answers each with a line of JSON: ``wall`` is the
time of the application's thread while the export runs beside it, ``cpu`` that of the whole process until everything is
delivered; both in nanoseconds a span. The garbage collector runs as in an application: what a queue holds, it walks.
"""

from __future__ import annotations

import json
import sys
import time

from common.contenders import IMPLEMENTATIONS
from common.traced_code import TRACED_CODE

QUEUE_SPANS = 16_384
"""More than a round makes, and a round begins with an empty queue: nothing can be dropped."""
FLUSH_MILLIS = 60_000


def main(name: str, endpoint: str) -> None:
    implementation = IMPLEMENTATIONS[name]
    provider = implementation.provider(implementation.processor(endpoint, max_queue_size=QUEUE_SPANS))
    tracer = provider.get_tracer("benchmark", "1.0")
    for line in sys.stdin:
        code, spans = line.split()
        count = int(spans)
        make = TRACED_CODE[code]
        cpu = time.process_time_ns()
        began = time.perf_counter_ns()
        make(tracer, count)
        wall = time.perf_counter_ns() - began
        flushed = provider.force_flush(FLUSH_MILLIS)
        cpu = time.process_time_ns() - cpu
        print(json.dumps({"wall": wall / count, "cpu": cpu / count, "flushed": flushed}), flush=True)
    provider.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
