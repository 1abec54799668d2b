"""What is known of one message, or of one operation, as attributes of spans and links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from nanospan._native.messaging import add_facts, bind_facts, check_facts
from nanospan.messaging._carriers.carrier import as_text
from nanospan.messaging._conventions.vocabulary import (
    BATCH_COUNT,
    BODY_SIZE,
    CONVERSATION_ID,
    ENVELOPE_SIZE,
    MESSAGE_ID,
    PARTITION,
    add_old_names,
)

__all__ = ["Facts", "add_facts", "check_facts", "text_of"]


class Facts(TypedDict, total=False):
    """Keywords of the operations. None is as if it were not given."""

    message_id: object
    """Of a single message. Text, or anything with a text."""
    partition: object
    """`messaging.destination.partition.id`, also as a number."""
    conversation_id: object
    """The correlation id."""
    body_size: int | None
    """Bytes."""
    envelope_size: int | None
    """Bytes of the body and the metadata."""
    attributes: Mapping[str, Any] | None
    """Others, such as those of the system: ``{"messaging.kafka.offset": 5}``."""


def _refuse(name: str) -> None:
    raise TypeError(f"unexpected keyword argument {name!r}; accepted are {', '.join(Facts.__annotations__)}")


def text_of(value: object) -> str:
    """The text of an identifier."""
    text = as_text(value)
    if text is not None:
        return text
    return bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else str(value)


bind_facts(
    Facts.__annotations__,
    _refuse,
    text_of,
    add_old_names,
    message_id=MESSAGE_ID,
    partition=PARTITION,
    conversation_id=CONVERSATION_ID,
    body_size=BODY_SIZE,
    envelope_size=ENVELOPE_SIZE,
    batch_count=BATCH_COUNT,
)
