"""Links to the contexts in which messages were made: one a context, up to the limit of a span."""

from __future__ import annotations

import logging
import sys

from opentelemetry.trace import Link

from nanospan._common.environment import integer_variable
from nanospan._native.messaging import NativeLinkList
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


class LinkList(NativeLinkList):
    """Collects the links of one span.

    Messages with the same context share a link. It keeps the attributes that are equal for all of them, and says how many
    they are. ``left_out`` is the number of contexts over the limit, after `links`.
    """

    __slots__ = ()

    def links(self) -> list[Link]:
        """The links, the first of them up to the limit. What is merged or left out is counted."""
        made = self.made(LINK_MESSAGES)
        if self.merged:
            count("links_merged", self.merged)
        if self.left_out:
            count("links_left_out", self.left_out)
        return made
