"""`LinksBased`: the decision follows the traces that a span links to."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.trace.sampling import Sampler

from nanospan._common.arguments import check_has
from nanospan._native.sampling import NativeLinksBased, native_class
from nanospan.sampling._copies import Copyable
from nanospan.sampling._sdk import ALWAYS_OFF, ALWAYS_ON, native_sampler

__all__ = ["LinksBased"]


@native_class
class LinksBased(Copyable, NativeLinksBased, Sampler):
    """Sampler that samples a span if one of the spans that it links to was sampled.

    A consumer's span has links to the spans that made its messages, and begins a trace of its own. Without this sampler that
    trace is sampled independently of them, and kept links lead to dropped traces. Only links that are given when the span
    starts count; a link without a valid span context does not. Use it as the root of a ParentBased::

        ParentBased(LinksBased(root=ConsistentProbability(0.01)))

    A trace that is kept because of a link carries no threshold: the share of such traces is not known. The flag of a link
    comes with the message. Whoever can send messages can thus have their traces kept: give ``linked_sampled`` a sampler with
    a limit where that matters.

    Args:
        root: For spans without links.
        linked_sampled: If at least one linked span is sampled.
        linked_not_sampled: If there are links, and no linked span is sampled.

    Raises:
        TypeError: if one of them is no sampler.
    """

    def __init__(
        self, root: Sampler, *, linked_sampled: Sampler = ALWAYS_ON, linked_not_sampled: Sampler = ALWAYS_OFF
    ) -> None:
        self.root, self.linked_sampled, self.linked_not_sampled = root, linked_sampled, linked_not_sampled
        for name, delegate in self._delegates().items():
            check_has(name, delegate, ("should_sample",), "a Sampler, such as nanospan.sampling.ALWAYS_ON")
        self._bind(*(native_sampler(delegate) or delegate for delegate in self._delegates().values()))

    def _delegates(self) -> dict[str, Sampler]:
        return {
            "root": self.root,
            "linked_sampled": self.linked_sampled,
            "linked_not_sampled": self.linked_not_sampled,
        }

    def _arguments(self) -> tuple[type[Any], dict[str, Any]]:
        return LinksBased, self._delegates()

    def get_description(self) -> str:
        """As ``LinksBased{root:AlwaysOnSampler,linkedSampled:AlwaysOnSampler,linkedNotSampled:AlwaysOffSampler}``."""
        texts = (delegate.get_description() for delegate in self._delegates().values())
        return "LinksBased{{root:{},linkedSampled:{},linkedNotSampled:{}}}".format(*texts)
