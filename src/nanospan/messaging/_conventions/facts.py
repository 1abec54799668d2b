"""What is known of one message, or of one operation, as attributes of spans and links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from nanospan.messaging._carriers.carrier import as_text
from nanospan.messaging._conventions.vocabulary import (
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


_KNOWN = Facts.__annotations__.keys()


def check_facts(facts: Facts) -> None:
    """Raise TypeError for an unknown keyword, as Python does."""
    if not facts.keys() <= _KNOWN:
        name = next(iter(facts.keys() - _KNOWN))
        raise TypeError(f"unexpected keyword argument {name!r}; accepted are {', '.join(_KNOWN)}")


def text_of(value: object) -> str:
    """The text of an identifier."""
    text = as_text(value)
    if text is not None:
        return text
    return bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else str(value)


def add_facts(attributes: dict[str, Any], facts: Facts, system: str, both_sets: bool) -> None:
    """Add what is given to ``attributes``, and the old names if ``both_sets``."""
    if (message_id := facts.get("message_id")) is not None:
        attributes[MESSAGE_ID] = text_of(message_id)
    if (partition := facts.get("partition")) is not None:
        attributes[PARTITION] = text_of(partition)
    if (conversation_id := facts.get("conversation_id")) is not None:
        attributes[CONVERSATION_ID] = text_of(conversation_id)
    if (body_size := facts.get("body_size")) is not None:
        attributes[BODY_SIZE] = body_size
    if (envelope_size := facts.get("envelope_size")) is not None:
        attributes[ENVELOPE_SIZE] = envelope_size
    if others := facts.get("attributes"):
        attributes.update((name, value) for name, value in others.items() if value is not None)
    if both_sets:
        add_old_names(system, attributes)
