"""One busy thread that ends spans at a steady rate, started by compare.py. Prints one line of JSON.

    python -m live.sustained_worker CONTENDER ENDPOINT SPANS RATE

Busy: it waits by spinning, and so holds the interpreter lock all the time, as an application does that has work to do.
The spans are made beforehand; at this rate the stock tracer alone would take more than one core.
"""

from __future__ import annotations

import json
import sys
import time

from common.contenders import CONTENDERS, ended_spans

BURST = 10


def run(contender: str, endpoint: str, count: int, rate: float) -> dict[str, float]:
    processor = CONTENDERS[contender](endpoint)
    spans = ended_spans(BURST)
    began = time.perf_counter()
    for made in range(0, count, BURST):
        while time.perf_counter() - began < made / rate:
            pass
        for span in spans:
            processor.on_end(span)
    elapsed = time.perf_counter() - began
    processor.force_flush(60_000)
    processor.shutdown()
    return {"sent": count, "rate": count / elapsed}


if __name__ == "__main__":
    contender, endpoint, count, rate = sys.argv[1:]
    print(json.dumps(run(contender, endpoint, int(count), float(rate))))
