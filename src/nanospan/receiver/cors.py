"""Which pages of browsers may send spans: cross-origin resource sharing, https://fetch.spec.whatwg.org/#http-cors-protocol."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["LOCALHOST_ORIGINS", "AllowedOrigins", "preflight_headers"]

LOCALHOST_ORIGINS = tuple(
    f"{scheme}://{host}{port}"
    for scheme in ("http", "https")
    for host in ("localhost", "127.0.0.1", "[::1]")
    for port in ("", ":*")
)
"""The default: pages that this machine serves."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#@]+|\*")
_HEADER_NAMES = re.compile(r"[\w!#$%&'*+.^`|~, -]{1,1000}", re.ASCII)
_PREFLIGHT_SECONDS = 7200


class AllowedOrigins:
    """Origins such as ``https://app.example.com``; ``*`` in one stands for any text without ``/``, alone for any origin.

    Raises ValueError for what is no origin.
    """

    def __init__(self, origins: Iterable[str] = LOCALHOST_ORIGINS) -> None:
        self._patterns = [_pattern(origin) for origin in origins]

    def allows(self, origin: str) -> bool:
        return any(pattern.fullmatch(origin) for pattern in self._patterns)

    def headers(self, origin: str | None) -> dict[str, str]:
        """Those of any answer to a page of ``origin``; none but ``Vary`` when it may not read the answer."""
        if origin is None:
            return {}
        if not self.allows(origin):
            return {"Vary": "Origin"}
        # Beacons carry credentials; a browser then wants this permission, and the origin itself where `*` would do.
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
            "Vary": "Origin",
        }


def preflight_headers(requested: str | None) -> dict[str, str]:
    """The further headers of an answer that permits what a preflight asks for; ``requested`` names headers."""
    names = requested if requested is not None and _HEADER_NAMES.fullmatch(requested) else "content-type, content-encoding"
    return {
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": names,
        "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
    }


def _pattern(origin: str) -> re.Pattern[str]:
    lowered = origin.strip().lower()
    if not _ORIGIN.fullmatch(lowered):
        raise ValueError(f"{origin!r} is no origin: write scheme://host or scheme://host:port without a path, or *")
    if lowered == "*":
        return re.compile(r"\S+")
    return re.compile(re.escape(lowered).replace(r"\*", r"[^/\s]*"))
