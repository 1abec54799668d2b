"""`MESSAGE`: the carrier that is a whole message of SQS, as sent and as received."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from nanospan.messaging._carriers import AWS_TRACE_HEADER, SQS
from nanospan.messaging._carriers.carrier import Carrier, Pair

__all__ = ["MESSAGE", "TRACE_HEADER"]

TRACE_HEADER = "AWSTraceHeader"
_ATTRIBUTES, _SYSTEM = "MessageAttributes", "MessageSystemAttributes"


class _MessageCarrier(Carrier):
    """The arguments of a request, an entry of a batch, or a received message.

    `set` writes into the attributes, and puts a traceparent for which they have no room into an X-Ray header, where the
    caller has none. `get` reads the attributes, the X-Ray header, and the attributes of a notification of SNS in the body.
    """

    def _set(self, headers: Any, pairs: list[Pair]) -> Any:
        made = dict(headers or {})
        fields = {name: value for name, value in pairs if value is not None}
        attributes = SQS.set(made.get(_ATTRIBUTES), fields)
        if attributes:
            made[_ATTRIBUTES] = attributes
        system = made.get(_SYSTEM)
        is_left_out = "traceparent" in fields and SQS.get(attributes, "traceparent") is None
        if is_left_out and not (system and TRACE_HEADER in system):
            made[_SYSTEM] = AWS_TRACE_HEADER.set(system, {"traceparent": fields["traceparent"]})
        return made

    def _get(self, headers: Any, key: str) -> object:
        attributes = headers.get(_ATTRIBUTES)
        if SQS.get(attributes, "traceparent") is None and key in ("traceparent", "tracestate", "baggage"):
            if (found := self._of_header(headers)) is not None:
                return found if key == "traceparent" else SQS.get(attributes, key)
            attributes = _notified(headers.get("Body")) or attributes
        return SQS.get(attributes, key)

    @staticmethod
    def _of_header(headers: Mapping[str, Any]) -> str | None:
        for name in ("Attributes", _SYSTEM):
            if (found := AWS_TRACE_HEADER.get(headers.get(name), "traceparent")) is not None:
                return found
        return None

    def _names(self, headers: Any) -> Iterable[object]:
        return SQS.keys(headers.get(_ATTRIBUTES))


def _notified(body: object) -> Any:
    """The attributes of a notification of SNS; None if the body is none."""
    if not isinstance(body, str) or not body.startswith("{") or '"Notification"' not in body:
        return None
    try:
        notification = json.loads(body)
    except ValueError:
        return None
    if not isinstance(notification, dict) or notification.get("Type") != "Notification":
        return None
    return notification.get(_ATTRIBUTES)


MESSAGE = _MessageCarrier("aws._message.MESSAGE")
