"""Compression of request bodies: the choice of a method, and the compression for HTTP."""

from __future__ import annotations

import enum
import zlib
from typing import Literal

from nanospan._common.arguments import safe_repr

__all__ = ["Compression", "CompressionText", "compress", "compression_from"]

CompressionText = Literal["none", "gzip", "deflate"]

_GZIP_WINDOW_BITS = 31
_ZLIB_WINDOW_BITS = 15


class Compression(enum.Enum):
    """The compression of request bodies; the values are those of ``Content-Encoding``."""

    NoCompression = "none"
    Deflate = "deflate"
    Gzip = "gzip"


_BY_NAME = {
    "none": Compression.NoCompression,
    "nocompression": Compression.NoCompression,
    "deflate": Compression.Deflate,
    "gzip": Compression.Gzip,
}


def compression_from(value: object) -> Compression:
    """The method for ``value``: a member of this enum, its text, or an enum member of the official exporters or grpcio.

    Raises ValueError for anything else.
    """
    if isinstance(value, Compression):
        return value
    candidates = (value.value, value.name) if isinstance(value, enum.Enum) else (value,)
    for candidate in candidates:
        if isinstance(candidate, str) and (found := _BY_NAME.get(candidate.strip().lower())):
            return found
    raise ValueError(f"compression must be 'none', 'gzip' or 'deflate', not {safe_repr(value)}")


def compress(body: bytes | memoryview, method: Compression) -> bytes | memoryview:
    """``body`` in compressed form. zlib releases the GIL."""
    if method is Compression.NoCompression:
        return body
    # "deflate" in HTTP is the zlib format of RFC 1950, not a raw deflate stream.
    window_bits = _GZIP_WINDOW_BITS if method is Compression.Gzip else _ZLIB_WINDOW_BITS
    compressor = zlib.compressobj(wbits=window_bits)
    return compressor.compress(body) + compressor.flush()
