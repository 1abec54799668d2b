"""The metrics of the semantic conventions for messaging."""

from __future__ import annotations

from typing import Any

from opentelemetry.metrics import MeterProvider

from nanospan._common.version import own_version
from nanospan.messaging._conventions.operation import Operation
from nanospan.messaging._conventions.vocabulary import BUCKETS, ERROR_TYPE, OPERATION_TYPE, PARTITION, SCHEMA_URL

__all__ = ["SCOPE", "Metrics"]

SCOPE = "nanospan.messaging"


class Metrics:
    """The four instruments of one meter provider."""

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter(SCOPE, own_version(), SCHEMA_URL)
        self._operation_duration = meter.create_histogram(
            "messaging.client.operation.duration",
            unit="s",
            description="Duration of messaging operations other than processing",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )
        self._process_duration = meter.create_histogram(
            "messaging.process.duration",
            unit="s",
            description="Duration of the processing of messages",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )
        self._sent = meter.create_counter(
            "messaging.client.sent.messages", unit="{message}", description="Messages handed over for sending, also in vain"
        )
        self._consumed = meter.create_counter(
            "messaging.client.consumed.messages", unit="{message}", description="Messages delivered to the application"
        )

    def record(
        self,
        operation: Operation,
        seconds: float,
        *,
        partition: object,
        error_type: str | None,
        sent: int = 0,
        consumed: int = 0,
    ) -> None:
        """Record an operation that took ``seconds``, with the messages that it sent or delivered."""
        attributes: dict[str, Any] = operation.metric_attributes
        if partition is not None or error_type is not None:
            attributes = attributes.copy()
            if partition is not None:
                attributes[PARTITION] = partition
            if error_type is not None:
                attributes[ERROR_TYPE] = error_type
        if operation.type == "process":
            self._process_duration.record(seconds, attributes)
        elif operation.type != "create":
            self._operation_duration.record(seconds, {**attributes, OPERATION_TYPE: operation.type})
        if sent:
            self._sent.add(sent, attributes)
        if consumed:
            self._consumed.add(consumed, attributes)
