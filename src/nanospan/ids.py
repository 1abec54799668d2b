"""Random trace and span ids from a native generator, as an IdGenerator for any TracerProvider."""

from __future__ import annotations

from nanospan._compat import stock
from nanospan._native.context import NativeIdGenerator

__all__ = ["RandomIdGenerator"]


class RandomIdGenerator(NativeIdGenerator, stock.RandomIdGenerator):
    """The SDK's RandomIdGenerator, native inside.

    Ids are non-zero and all their bits are random (W3C Trace Context level 2, random-trace-id flag). Each thread has its own
    generator. The kernel seeds it, and again in a forked child; `random.seed()` does not affect it. The generator is not
    cryptographic: ids are not secrets.
    """

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
