"""Trace context across queues: spans of producers and consumers, and carriers for the headers of each transport.

::

    from nanospan.messaging import Messaging

    kafka = Messaging("kafka", server_address="broker", server_port=9092, consumer_group="billing")

    with kafka.send("orders", headers) as sending:
        producer.send("orders", value, headers=sending.headers)

    for message in consumer:
        with kafka.process("orders", message.headers, partition=message.partition):
            handle(message)

The producer's span ends when the message is handed over. The consumer's span begins a trace of its own, or belongs to the
span that is current, and has a link to the producer's; ``relation="parent"`` makes it a child instead. To keep or drop
linked traces together, sample with `LinksBased`.

Specification: OpenTelemetry semantic conventions 1.44.0, docs/messaging (status: Development).
"""

from __future__ import annotations

from nanospan.messaging._carriers import (
    AMQP,
    AWS_TRACE_HEADER,
    CLOUD_EVENTS,
    CLOUD_EVENTS_HTTP,
    CLOUD_EVENTS_KAFKA,
    ENVELOPE,
    KAFKA,
    NATS,
    PUBSUB,
    REDIS_STREAM,
    SERVICE_BUS,
    SNS,
    SQS,
    TEXT_MAP,
    Carrier,
    redis_stream,
)
from nanospan.messaging._carriers.counts import Stats, stats
from nanospan.messaging._carriers.propagation import Incoming, extract, inject
from nanospan.messaging._conventions.facts import Facts
from nanospan.messaging._conventions.operation import Destination
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.consuming import Processing, Receiving, Settling
from nanospan.messaging._spans.functions import consumer_span, process, producer_span, settle_span
from nanospan.messaging._spans.job import JobSpan, job_span
from nanospan.messaging._spans.messaging import Messaging
from nanospan.messaging._spans.sending import Creation, Sending, SendingBatch
from nanospan.sampling import LinksBased

__all__ = [
    "AMQP",
    "AWS_TRACE_HEADER",
    "CLOUD_EVENTS",
    "CLOUD_EVENTS_HTTP",
    "CLOUD_EVENTS_KAFKA",
    "ENVELOPE",
    "KAFKA",
    "NATS",
    "PUBSUB",
    "REDIS_STREAM",
    "SERVICE_BUS",
    "SNS",
    "SQS",
    "TEXT_MAP",
    "Carrier",
    "Creation",
    "Destination",
    "Facts",
    "Incoming",
    "JobSpan",
    "LinksBased",
    "Messaging",
    "Processing",
    "Receiving",
    "Relation",
    "Sending",
    "SendingBatch",
    "Settling",
    "Stats",
    "consumer_span",
    "extract",
    "inject",
    "job_span",
    "process",
    "producer_span",
    "redis_stream",
    "settle_span",
    "stats",
]
