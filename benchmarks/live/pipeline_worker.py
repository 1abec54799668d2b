"""One run of a whole pipeline in a process of its own, started by compare.py. Prints one line of JSON.

python -m live.pipeline_worker CONTENDER ENDPOINT SPANS RATE BURST
"""

from __future__ import annotations

import json
import sys
import time

from common.contenders import PIPELINES, TEN_ATTRIBUTES

WARM_UP = 500


def run(contender: str, endpoint: str, spans: int, rate: float, size: int) -> dict[str, float]:
    provider = PIPELINES[contender](endpoint)
    tracer = provider.get_tracer("benchmark", "1.0")

    def burst(count: int) -> None:
        for _ in range(count):
            with tracer.start_as_current_span("GET /users/{id}", attributes=TEN_ATTRIBUTES):
                pass

    burst(WARM_UP)
    provider.force_flush(60_000)
    cpu = time.process_time_ns()
    began = time.perf_counter_ns()
    wall = 0
    for made in range(0, spans, size):
        burst_began = time.perf_counter_ns()
        burst(size)
        wall += time.perf_counter_ns() - burst_began
        ahead = (made + size) / rate - (time.perf_counter_ns() - began) / 1e9
        if ahead > 0:
            time.sleep(ahead)
    elapsed = (time.perf_counter_ns() - began) / 1e9
    provider.force_flush(60_000)
    cpu = time.process_time_ns() - cpu
    provider.shutdown()
    return {"cpu": cpu / spans, "wall": wall / spans, "sent": spans + WARM_UP, "rate": spans / elapsed}


if __name__ == "__main__":
    contender, endpoint, spans, rate, size = sys.argv[1:]
    print(json.dumps(run(contender, endpoint, int(spans), float(rate), int(size))))
