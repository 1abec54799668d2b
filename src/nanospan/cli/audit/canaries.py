"""The canaries, random texts in the place of secrets, and the requests that carry them."""

from __future__ import annotations

import base64
import json
import secrets
import string
from dataclasses import dataclass, field
from typing import Final

__all__ = ["KEEP", "Canaries", "Request"]

KEEP: Final = "keep=ok"
"""What is innocent in the query of a request, and must arrive."""

_LETTERS = string.ascii_letters + string.digits


def _random(length: int = 18) -> str:
    """Letters and digits, both present, so that no rule takes it for a word or a number."""
    return "c4" + "".join(secrets.choice(_LETTERS) for _ in range(length - 2))


def _card() -> str:
    """A number of a payment card by issuer, length and check digit."""
    digits = "4" + "".join(secrets.choice(string.digits) for _ in range(14))
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if place % 2 == 0 else 1)
        total += number - 9 if number > 9 else number
    return digits + str(-total % 10)


def _github_token() -> str:
    return "ghp_" + _random(36)


def _segment(fields: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


@dataclass(frozen=True)
class Request:
    """One request to the application."""

    method: str
    target: str
    """Path and query, escaped."""
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Canaries:
    """One canary for each place of a request, of random text; what is searched is the text."""

    authorization: str = field(default_factory=_random)
    basic: str = field(default_factory=_random)
    cookie: str = field(default_factory=_random)
    api_key: str = field(default_factory=_random)
    header_token: str = field(default_factory=_random)
    token: str = field(default_factory=_random)
    sig: str = field(default_factory=_random)
    escaped_key: str = field(default_factory=_random)
    semicolon: str = field(default_factory=_random)
    """In a query whose parameters are separated by semicolons."""
    fragment: str = field(default_factory=_random)
    at_password: str = field(default_factory=_random)
    """Part of a password that holds an @, in the URL of a database."""
    userinfo: str = field(default_factory=_random)
    path: str = field(default_factory=_github_token)
    body: str = field(default_factory=_random)
    email: str = field(default_factory=_random)
    card: str = field(default_factory=_card)
    jwt: str = field(default_factory=lambda: _random(43))
    """The signature of a JSON Web Token."""
    tracestate: str = field(default_factory=_github_token)
    baggage: str = field(default_factory=_random)
    resource: str = field(default_factory=_random)
    """In ``OTEL_RESOURCE_ATTRIBUTES`` of an application that the command starts."""

    def texts(self) -> dict[str, str]:
        """The canaries by name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def whole_jwt(self) -> str:
        return f"{_segment({'alg': 'HS256', 'typ': 'JWT'})}.{_segment({'sub': 'audit'})}.{self.jwt}"

    def query(self) -> str:
        return f"token={self.token}&sig={self.sig}&{KEEP}&access%5Ftoken={self.escaped_key}&ref={self.card}&empty="

    def headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.authorization}",
            "Cookie": f"theme=dark; s={self.cookie}",
            "X-Api-Key": self.api_key,
            "X-Amz-Security-Token": self.header_token,
            "Referer": f"https://audit:{self.userinfo}@shop.example/cart?{KEEP}",
            "X-Forwarded-Uri": f"/login?next=1;token={self.semicolon};page=2",
            "X-Original-Url": f"/login#access_token={self.fragment}",
            "X-Upstream": f"postgres://audit:p@{self.at_password}@db.example/shop",
            "From": f"{self.email}@example.com",
            "X-Forwarded-Assertion": self.whole_jwt(),
            "traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
            "tracestate": f"audit={self.tracestate}",
            "baggage": f"session_token={self.baggage}",
        }

    def basic_header(self) -> str:
        return "Basic " + base64.b64encode(f"audit:{self.basic}".encode()).decode()

    def json_body(self) -> bytes:
        inner = json.dumps({"client_secret": self.body})
        return json.dumps({"user": {"name": "audit", "password": self.body}, "raw": inner, "keep": "ok"}).encode()

    def requests(self, path: str) -> list[Request]:
        """The requests to one path of the application. Some of them it may refuse: telemetry tells of these too."""
        target = f"{path}?{self.query()}"
        json_headers = self.headers() | {"Content-Type": "application/json"}
        return [
            Request("GET", target, self.headers()),
            Request("GET", target, self.headers() | {"Authorization": self.basic_header()}),
            Request("POST", target, json_headers, self.json_body()),
            Request("GET", f"{path.rstrip('/')}/{self.path}?{KEEP}", {}),
        ]
