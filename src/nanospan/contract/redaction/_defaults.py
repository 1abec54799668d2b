"""What is redacted unless the user says otherwise.

The first part of the list is the one of the semantic conventions for the query of a URL; the rest are the names that are met
in headers, forms, settings and JSON. csrc/tests/contract/redactor.h has the same keys.
"""

from __future__ import annotations

from typing import Final, Literal

from nanospan.contract.redaction._keys import SensitiveKey

__all__ = ["DEFAULT_IGNORED_KEYS", "DEFAULT_KEYS", "DETECTORS", "MARKER", "MAX_BYTES_SCANNED", "URL_KEYS", "Detector"]

Detector = Literal["pair", "userinfo", "jwt", "credentials", "email", "card", "private_key", "service_key"]

DETECTORS: Final = ("pair", "userinfo", "jwt", "credentials", "email", "card", "private_key", "service_key")
"""In the order of the rules' numbers, ns_rule in csrc/contract/search/ns_find.h."""

MARKER: Final = "REDACTED"
MAX_BYTES_SCANNED: Final = 64 * 1024


def _weak(name: str) -> SensitiveKey:
    return SensitiveKey(name, weak=True)


DEFAULT_KEYS: Final = (
    *(
        SensitiveKey(name, match="any_end")
        for name in (
            "token",
            "password",
            "passwd",
            "pwd",
            "passphrase",
            "secret",
            "api_key",
            "access_key",
            "access_key_id",
            "secret_key",
            "private_key",
            "subscription_key",
            "session_id",
            "sessid",
        )
    ),
    SensitiveKey("authorization", match="any_end", line=True),
    SensitiveKey("cookie", line=True),
    *map(_weak, ("credential", "credentials", "session", "jwt", "auth", "signature", "csrf", "xsrf")),
    SensitiveKey("sig", match="whole", weak=True),
)

DEFAULT_IGNORED_KEYS: Final = ("session.id", "session.previous_id")
"""Ids of a browser's or an application's session as the semantic conventions define it, not those that log in."""

URL_KEYS: Final = frozenset(
    {
        "http.request.header.origin",
        "http.request.header.referer",
        "http.response.header.location",
        "http.target",
        "http.url",
        "url.fragment",
        "url.full",
        "url.original",
        "url.query",
    }
)
"""Attributes of which the whole value is a URL, or the query of one."""
