"""The bodies of HTTP requests: bounded, and decompressed within bounds."""

from __future__ import annotations

import importlib
import zlib
from http import HTTPStatus
from typing import Any

__all__ = ["Refusal", "decompress"]

MAX_BODY_BYTES = 64 << 20
MAX_DECODED_BYTES = 256 << 20
MAX_JSON_BYTES = 32 << 20
"""Bytes of a JSON text. Python's objects for it take up to twenty times as much."""

_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_ZSTD_STANDARD = ("compression.zstd", "backports.zstd")
# 16 KiB of zstd can unpack to half a gigabyte, and zstandard has no bound for the output of one call.
_ZSTD_PIECE_BYTES = 1 << 10


class Refusal(Exception):
    """A request to be answered with ``status`` and ``reason``; ``close`` when its body was left unread."""

    def __init__(self, status: HTTPStatus, reason: str, *, close: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.close = close


def decompress(body: bytes, encoding: str, max_bytes: int | None = None) -> bytes:
    """``body`` without its content encoding, at most ``max_bytes`` long (default `MAX_DECODED_BYTES`). Raises Refusal."""
    bound = MAX_DECODED_BYTES if max_bytes is None else max_bytes
    if encoding == "identity":
        _check_size(len(body), bound)
        return body
    if encoding == "zstd":
        return _unpack_zstd(body, bound)
    window_bits = _WINDOW_BITS.get(encoding)
    if window_bits is None:
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding must be gzip, deflate, zstd or identity")
    return _unpack(body, zlib.decompressobj(window_bits), zlib.error, encoding, bound)


def _unpack_zstd(body: bytes, bound: int) -> bytes:
    for name in _ZSTD_STANDARD:
        if (module := _import(name)) is not None:
            return _unpack(body, module.ZstdDecompressor(), module.ZstdError, "zstd", bound)
    if (module := _import("zstandard")) is not None:
        return _unpack_zstandard(body, module, bound)
    raise Refusal(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "Content-Encoding zstd needs Python 3.14, or a library beside nanospan: pip install backports.zstd; "
        "or send gzip, deflate or identity",
    )


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _unpack(body: bytes, decompressor: Any, error_type: type[Exception], encoding: str, bound: int) -> bytes:
    """With a decompressor as zlib's or Python's own for zstd, whose second argument bounds the output."""
    try:
        # One byte more: output of exactly the bound leaves open whether there is more.
        data: bytes = decompressor.decompress(body, bound + 1)
    except error_type as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the body is no valid {encoding}") from error
    _check_size(len(data), bound)
    return _whole(data, decompressor, encoding)


def _unpack_zstandard(body: bytes, module: Any, bound: int) -> bytes:
    decompressor = module.ZstdDecompressor().decompressobj()
    pieces: list[bytes] = []
    size = 0
    for start in range(0, len(body), _ZSTD_PIECE_BYTES):
        if decompressor.eof:
            raise Refusal(HTTPStatus.BAD_REQUEST, "the body is not one whole zstd stream")
        try:
            pieces.append(decompressor.decompress(body[start : start + _ZSTD_PIECE_BYTES]))
        except module.ZstdError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, "the body is no valid zstd") from error
        size += len(pieces[-1])
        _check_size(size, bound)
    return _whole(b"".join(pieces), decompressor, "zstd")


def _check_size(size: int, bound: int) -> None:
    if size > bound:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body unpacks to over {bound} bytes")


def _whole(data: bytes, decompressor: Any, encoding: str) -> bytes:
    if not decompressor.eof or decompressor.unused_data:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the body is not one whole {encoding} stream")
    return data
