"""What a span costs the application when its trace is decided on as a whole, beside one that goes straight to the ring.

    python benchmarks/tail_sampling.py [--rounds 60]

Each round makes 2,000 spans with ten attributes, in traces of one or of ten spans. The workers sleep meanwhile and send
between the rounds: what is measured is the thread that makes the spans. The bound is 150 ns a span, by minima. Nothing else
may run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from common.contenders import TEN_ATTRIBUTES, native_provider_class, provider_with
from common.interleave import Series, interleave
from opentelemetry.trace import Tracer

from nanospan import BatchSpanProcessor
from nanospan.export.http import OTLPSpanExporter
from nanospan.receiver import ReceiverProcess
from nanospan.tail import AlwaysSample, Latency, Probabilistic, StatusCode, StringAttribute, TailSampling

SPANS = 2000
MAX_NS_BEYOND = 150
QUEUE_SPANS = 1 << 16
FOUR_POLICIES = (
    StatusCode("ERROR"),
    Latency(threshold_ms=1000),
    StringAttribute("http.route", ["/checkout"]),
    Probabilistic(0.01),
)
CONTENDERS: dict[str, TailSampling | None] = {
    "straight to the ring": None,
    "four policies, 1 % kept": TailSampling(FOUR_POLICIES),
    "one policy, none kept": TailSampling((StatusCode("ERROR"),)),
    "all kept": TailSampling((AlwaysSample(),)),
}


def traces_of(size: int) -> Callable[[Tracer], None]:
    """Code that makes SPANS spans, the first of each ``size`` the parent of the others."""

    def make(tracer: Tracer) -> None:
        for _ in range(SPANS // size):
            with tracer.start_as_current_span("GET /users/{id}", attributes=TEN_ATTRIBUTES):
                for _ in range(size - 1):
                    with tracer.start_as_current_span("step", attributes=TEN_ATTRIBUTES):
                        pass

    return make


def measure(size: int, rounds: int) -> dict[str, Series]:
    make = traces_of(size)
    with ReceiverProcess(grpc_port=None) as receiver:
        processors = {
            name: BatchSpanProcessor(
                OTLPSpanExporter(receiver.endpoint_http),
                max_queue_size=QUEUE_SPANS,
                max_export_batch_size=QUEUE_SPANS,
                schedule_delay_millis=3_600_000,
                tail_sampling=sampling,
            )
            for name, sampling in CONTENDERS.items()
        }
        providers = {name: provider_with(one, kind=native_provider_class()) for name, one in processors.items()}
        tracers = {name: provider.get_tracer("benchmark", "1.0") for name, provider in providers.items()}
        calls = {name: (lambda tracer=tracer: make(tracer)) for name, tracer in tracers.items()}
        series = interleave(calls, SPANS, rounds, lambda name: processors[name].force_flush())
        for name, processor in processors.items():
            assert not any(processor.stats()["dropped"].values()), (name, processor.stats())
        for provider in providers.values():
            provider.shutdown()
    return series


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    for size in (1, 10):
        series = measure(size, rounds)
        ring = series["straight to the ring"]
        print(f"\ntraces of {size}, per span")
        for name, one in series.items():
            beyond = one.least - ring.least
            verdict = "" if one is ring else f"   {beyond:+5.0f} ns (medians {one.median - ring.median:+5.0f})"
            if one is not ring:
                verdict += f"  at most {MAX_NS_BEYOND}: {'yes' if beyond <= MAX_NS_BEYOND else 'NO'}"
            print(f"  {name:26} {one}{verdict}")


if __name__ == "__main__":
    main()
