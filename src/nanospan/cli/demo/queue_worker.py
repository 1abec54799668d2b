"""The programs of ``nanospan demo --queue``: ``python -m nanospan.cli.demo.queue_worker producer|consumer ...``.

The producer takes orders, and sends each; the consumer packs them. The consumer prints one line of JSON at the end:
``{"processed": n}``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Tracer

from nanospan import BatchSpanProcessor, TracerProvider
from nanospan.cli.demo.queue_broker import STREAM, PipeEnd, QueueEnd, RedisEnd
from nanospan.export.http import OTLPSpanExporter

__all__ = ["CONSUMED_SPANS", "PRODUCED_SPANS", "consume", "produce"]

PRODUCED_SPANS = 4
"""Of each order, in the producer's trace."""
CONSUMED_SPANS = 3
"""Of each order, in the consumer's trace. The acknowledgement, of a broker that takes one, is one more."""

SILENCE_SECONDS = 30.0


def produce(end: QueueEnd, provider: TracerProvider, orders: int) -> None:
    """Take so many orders, and send each to the queue."""
    messaging = end.describe(tracer_provider=provider)
    tracer = provider.get_tracer("nanospan.demo")
    for number in range(1, orders + 1):
        attributes: dict[str, Any] = {"http.request.method": "POST", "http.route": "/orders", "order.number": number}
        with tracer.start_as_current_span("POST /orders", kind=SpanKind.SERVER, attributes=attributes):
            _work(tracer, "order.check", 0.4)
            _work(tracer, "order.save", 0.8)
            body = json.dumps({"order": number})
            with messaging.send(STREAM, body_size=len(body)) as sending:
                sending.sent(message_id=end.put(sending.headers, body))


def consume(end: QueueEnd, provider: TracerProvider, orders: int) -> int:
    """Pack orders until there have been so many, or no more come. Returns their number."""
    messaging = end.describe(tracer_provider=provider, consumer_group="packing")
    tracer = provider.get_tracer("nanospan.demo")
    processed = 0
    for headers, body, message_id, acknowledge in end.take(SILENCE_SECONDS):
        with messaging.process(STREAM, headers, message_id=message_id, body_size=len(body), push=True):
            _work(tracer, "stock.take", 0.6)
            _work(tracer, "parcel.label", 0.9)
            if acknowledge is not None:
                with messaging.settle(STREAM, operation="ack"):
                    acknowledge()
        processed += 1
        if processed == orders:
            break
    return processed


def _work(tracer: Tracer, name: str, milliseconds: float) -> None:
    with tracer.start_as_current_span(name):
        time.sleep(milliseconds / 1e3)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m nanospan.cli.demo.queue_worker")
    parser.add_argument("role", choices=("producer", "consumer"))
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--redis", type=int, metavar="PORT")
    arguments = parser.parse_args()

    service = "shop" if arguments.role == "producer" else "packing"
    provider = TracerProvider(sampler=ALWAYS_ON, resource=Resource({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=arguments.endpoint)))
    end: QueueEnd = PipeEnd() if arguments.redis is None else RedisEnd(arguments.redis)
    try:
        if arguments.role == "producer":
            produce(end, provider, arguments.orders)
        else:
            print(json.dumps({"processed": consume(end, provider, arguments.orders)}))
    finally:
        provider.shutdown()
        sys.stdout.flush()


if __name__ == "__main__":
    main()
