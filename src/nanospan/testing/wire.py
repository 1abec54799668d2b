"""Headers as a broker hands them back: what a consumer gets is not what the producer gave."""

from __future__ import annotations

import json
from typing import Any, Literal

__all__ = ["Transport", "wire"]

Transport = Literal["kafka", "amqp", "sqs", "sns", "nats", "redis", "pubsub", "text"]
"""``"text"``: a mapping of strings, as Celery, Dramatiq, taskiq and RQ have."""

_MAX_SQS_ATTRIBUTES = 10
_MAX_PUBSUB_VALUE = 1024


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _bytes(value: Any) -> bytes | None:
    return value if isinstance(value, bytes) or value is None else str(value).encode()


def wire(headers: Any, transport: Transport = "kafka") -> Any:
    """``headers``, as a producer sends them, in the form in which the broker of ``transport`` delivers them.

    kafka: a tuple of (str, bytes), from a list, tuple or dict, also for None. amqp: a dict, text values as bytes. sqs, sns:
    the attributes that were asked for. nats, pubsub, text: a dict of str. redis: a dict of bytes.

    Raises ValueError for what the broker refuses: more than 10 SQS attributes, an empty value, a Pub/Sub value over 1024
    bytes.
    """
    if transport == "kafka":
        pairs = headers.items() if isinstance(headers, dict) else headers or ()
        return tuple((_text(key), _bytes(value)) for key, value in pairs)
    given = dict(headers or {})
    if transport == "amqp":
        return {key: value.encode() if isinstance(value, str) else value for key, value in given.items()}
    if transport in ("sqs", "sns"):
        if len(given) > _MAX_SQS_ATTRIBUTES:
            raise ValueError(f"headers must have at most {_MAX_SQS_ATTRIBUTES} attributes, not {len(given)}")
        for key, value in given.items():
            if not (value.get("StringValue") or value.get("BinaryValue")):
                raise ValueError(f"headers[{key!r}] must have a value that is not empty")
        return json.loads(json.dumps(given, default=_text))
    if transport == "redis":
        return {_bytes(key): _bytes(value) for key, value in given.items()}
    if transport == "nats":
        return {_text(key): _text(value).strip() for key, value in given.items()}
    if transport == "pubsub":
        for key, value in given.items():
            if len(_bytes(value) or b"") > _MAX_PUBSUB_VALUE:
                raise ValueError(f"headers[{key!r}] must be at most {_MAX_PUBSUB_VALUE} bytes")
        return {_text(key): _text(value) for key, value in given.items()}
    if transport == "text":
        return json.loads(json.dumps(given, default=_text))
    accepted = ", ".join(("kafka", "amqp", "sqs", "sns", "nats", "redis", "pubsub", "text"))
    raise ValueError(f"transport must be one of {accepted}, not {transport!r}")
