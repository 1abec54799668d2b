"""Attributes of SQS and SNS messages, and the X-Ray header beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from nanospan.messaging._carriers.carrier import Carrier, Pair, as_text
from nanospan.messaging._carriers.mappings import MappingCarrier, copied

__all__ = ["MAX_ATTRIBUTES", "AttributeCarrier", "TraceHeaderCarrier"]

MAX_ATTRIBUTES = 10
# As sent and received; in the event of a Lambda function; in the JSON body of a notification.
_VALUE_KEYS = ("StringValue", "stringValue", "Value", "BinaryValue", "binaryValue")


class AttributeCarrier(MappingCarrier):
    """``MessageAttributes``: names to ``{"DataType": "String", "StringValue": ...}``, at most ten of them.

    `get` also reads the attributes of a Lambda function's event, and of a notification of SNS in the body of a message.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, max_entries=MAX_ATTRIBUTES)

    def _encode(self, value: str) -> Any:
        return {"DataType": "String", "StringValue": value}

    def _decode(self, value: Any) -> object:
        if isinstance(value, Mapping):
            return next((value[key] for key in _VALUE_KEYS if value.get(key) is not None), None)
        return value


_HEADER = "AWSTraceHeader"
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{8})([0-9a-f]{24})-([0-9a-f]{16})-([0-9a-f]{2})")
_ROOT = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})")
_PARENT = re.compile(r"[0-9a-f]{16}")


class TraceHeaderCarrier(Carrier):
    """``MessageSystemAttributes`` of SQS, whose ``AWSTraceHeader`` counts neither as an attribute nor to the size.

    It holds a traceparent in X-Ray's form, and no other field: others are left out. `get` reads the ``Attributes`` of a
    received message too. A message whose ten attributes are used up carries its context here.
    """

    def _set(self, headers: Any, pairs: list[Pair]) -> Any:
        made = copied(headers)
        fields = dict(pairs)
        if "traceparent" in fields:
            made.pop(_HEADER, None)
            if found := _TRACEPARENT.fullmatch(fields["traceparent"] or ""):
                epoch, rest, parent, flags = found.groups()
                text = f"Root=1-{epoch}-{rest};Parent={parent};Sampled={int(flags, 16) & 1}"
                made[_HEADER] = {"DataType": "String", "StringValue": text}
        return made

    def _get(self, headers: Any, key: str) -> object:
        if key != "traceparent" or (value := headers.get(_HEADER)) is None:
            return None
        if isinstance(value, Mapping):
            value = value.get("StringValue")
        text = as_text(value) or ""
        parts = dict(part.strip().partition("=")[::2] for part in text.split(";"))
        root, parent = _ROOT.fullmatch(parts.get("Root", "")), parts.get("Parent", "")
        if root is None or not _PARENT.fullmatch(parent):
            return None
        return f"00-{root[1]}{root[2]}-{parent}-0{1 if parts.get('Sampled') == '1' else 0}"

    def _names(self, headers: Any) -> Iterable[object]:
        return ["traceparent"] if self._get(headers, "traceparent") else []
