"""The carriers of each transport, one object each; `inject` and `extract` are in `propagation`."""

from __future__ import annotations

from nanospan.messaging._carriers.aws import AttributeCarrier, TraceHeaderCarrier
from nanospan.messaging._carriers.carrier import Carrier
from nanospan.messaging._carriers.cloud_events import EventHeaderCarrier, EventRecordCarrier
from nanospan.messaging._carriers.envelope import EnvelopeCarrier
from nanospan.messaging._carriers.mappings import MappingCarrier
from nanospan.messaging._carriers.pairs import PairCarrier

__all__ = [
    "AMQP",
    "AWS_TRACE_HEADER",
    "CARRIERS",
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
    "carrier_of",
    "redis_stream",
]

KAFKA = PairCarrier("KAFKA")
SQS = AttributeCarrier("SQS")
SNS = AttributeCarrier("SNS")
AWS_TRACE_HEADER = TraceHeaderCarrier("AWS_TRACE_HEADER")
AMQP = MappingCarrier("AMQP")
NATS = MappingCarrier("NATS")
REDIS_STREAM = MappingCarrier("REDIS_STREAM")
# 100 attributes of up to 1024 bytes. The client of Google writes names with a prefix.
PUBSUB = MappingCarrier(
    "PUBSUB",
    max_entries=100,
    max_value_bytes=1024,
    aliases={name: f"googclient_{name}" for name in ("traceparent", "tracestate", "baggage")},
)
SERVICE_BUS = MappingCarrier("SERVICE_BUS", aliases={"traceparent": "Diagnostic-Id"})
TEXT_MAP = MappingCarrier("TEXT_MAP", case_sensitive=False)
CLOUD_EVENTS = EventHeaderCarrier("CLOUD_EVENTS")
CLOUD_EVENTS_HTTP = EventHeaderCarrier("CLOUD_EVENTS_HTTP", prefix="ce-", case_sensitive=False)
CLOUD_EVENTS_KAFKA = EventRecordCarrier("CLOUD_EVENTS_KAFKA", prefix="ce_")
ENVELOPE = EnvelopeCarrier("ENVELOPE")

CARRIERS: dict[str, Carrier] = {
    "kafka": KAFKA,
    "rabbitmq": AMQP,
    "aws_sqs": SQS,
    "sqs": SQS,
    "aws.sns": SNS,
    "aws_sns": SNS,
    "sns": SNS,
    "gcp_pubsub": PUBSUB,
    "servicebus": SERVICE_BUS,
    "eventhubs": SERVICE_BUS,
    "nats": NATS,
    "redis": REDIS_STREAM,
}
"""By `messaging.system`, and by what is written in its place."""


def carrier_of(system: str) -> Carrier:
    """The carrier of a system, by its name in any case; `TEXT_MAP` for one that is not in the table."""
    return CARRIERS.get(system.lower(), TEXT_MAP)


def redis_stream(prefix: str) -> Carrier:
    """A carrier like `REDIS_STREAM` whose fields' names begin with ``prefix``: other readers of the stream see them."""
    return MappingCarrier(f"redis_stream({prefix!r})", prefix=prefix)
