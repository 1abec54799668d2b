"""Every private name of the OpenTelemetry API and SDK that nanospan leans on, in one place.

tests/test_sdk_private.py checks each of them against the installed release and fails loudly when one has moved.
(The private names of the official OTLP exporters are in ``_official_private``, because those are optional packages.)
"""

from __future__ import annotations

import sys

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY as SUPPRESS_INSTRUMENTATION_KEY

__all__ = [
    "BOUNDED_ATTRIBUTES_DICT",
    "BOUNDED_LIST_DEQUE",
    "READABLE_SPAN_FIELDS",
    "STATUS_CODE",
    "STATUS_DESCRIPTION",
    "SUPPRESS_INSTRUMENTATION_KEY",
    "next_component_number",
]

READABLE_SPAN_FIELDS = {
    public: sys.intern(f"_{public}")
    for public in (
        "attributes",
        "context",
        "end_time",
        "events",
        "instrumentation_scope",
        "kind",
        "links",
        "name",
        "parent",
        "resource",
        "start_time",
        "status",
    )
}
"""The instance attributes behind the properties of ``ReadableSpan``: read by the encoder, which saves twelve calls of
Python functions a span. Only for exact instances of ReadableSpan; anything else is asked through its properties. Interned: a
lookup by the very string that the instance's keys hold compares no characters."""

BOUNDED_ATTRIBUTES_DICT = "_dict"
"""The dict inside ``BoundedAttributes``: iterated natively instead of through ``MutableMapping.items``."""

BOUNDED_LIST_DEQUE = "_dq"
"""The deque inside ``BoundedList``: its length says, without a Python call, that there are no events or links."""

STATUS_CODE = "_status_code"
STATUS_DESCRIPTION = "_description"
"""The fields of ``Status`` behind ``status_code`` and ``description``."""


def next_component_number(component_type: str) -> int:
    """The number that tells components of one type apart in ``otel.component.name``, counted with the SDK's own."""
    from opentelemetry.sdk._shared_internal._processor_metrics import _component_counter

    number = _component_counter[component_type]
    _component_counter[component_type] += 1
    return number
