"""Links to the contexts in which messages were made: one a context, up to the limit of a span."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.trace import Link, SpanContext

from nanospan._common.environment import integer_variable
from nanospan.messaging._carriers.counts import count
from nanospan.messaging._conventions.vocabulary import LINK_MESSAGES

__all__ = ["LinkList", "max_links_from_environment"]

LIMIT_VARIABLE = "OTEL_SPAN_LINK_COUNT_LIMIT"
DEFAULT_LIMIT = 128

logger = logging.getLogger("nanospan.messaging")


def max_links_from_environment() -> int:
    """Links that a span keeps. (Specification: SDK environment variables, 128 by default.)"""
    limit = integer_variable(logger, LIMIT_VARIABLE, 0, sys.maxsize, str(DEFAULT_LIMIT))
    return DEFAULT_LIMIT if limit is None else limit


class LinkList:
    """Collects the links of one span.

    Messages with the same context share a link. It keeps the attributes that are equal for all of them, and says how many
    they are.
    """

    __slots__ = ("_found", "_limit", "left_out")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._found: dict[tuple[int, int], tuple[SpanContext, dict[str, Any], int]] = {}
        self.left_out = 0
        """Contexts over the limit."""

    def add(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Link to ``context``, if it is valid."""
        if not context.is_valid:
            return
        key = (context.trace_id, context.span_id)
        known = self._found.get(key)
        if known is None:
            self._found[key] = (context, dict(attributes or ()), 1)
            return
        first, common, messages = known
        given = attributes or {}
        self._found[key] = (
            first,
            {name: value for name, value in common.items() if name in given and given[name] == value},
            messages + 1,
        )

    def add_all(self, messages: Iterable[tuple[SpanContext, Mapping[str, Any]]]) -> None:
        for context, attributes in messages:
            self.add(context, attributes)

    def links(self) -> list[Link]:
        """The links, the first of them up to the limit. What is merged or left out is counted."""
        made: list[Link] = []
        merged = 0
        for context, attributes, messages in self._found.values():
            if messages > 1:
                merged += messages - 1
                attributes[LINK_MESSAGES] = messages
            if len(made) < self._limit:
                made.append(Link(context, attributes or None))
        self.left_out = len(self._found) - len(made)
        if merged:
            count("links_merged", merged)
        if self.left_out:
            count("links_left_out", self.left_out)
        return made
