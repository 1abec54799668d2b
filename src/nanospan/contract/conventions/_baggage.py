"""What is wrong with the baggage that a process sends: how much it is, how it grows, and personal data in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

__all__ = ["MAX_BYTES", "MAX_ENTRIES", "check_baggage"]

MAX_ENTRIES = 64
MAX_BYTES = 8192
"""What a propagator passes on at least; more may be cut. `<https://www.w3.org/TR/baggage/#limits>`_"""
_GROWTH_ENTRIES = 8
_GROWTH_BYTES = 1024

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_PERSONAL = frozenset(
    (
        *("birth", "birthday", "dob", "email", "firstname", "iban", "lastname", "mail", "msisdn", "passport", "password"),
        *("phone", "secret", "ssn", "surname", "token", "username"),
    )
)
_PERSONAL_PAIRS = frozenset(("first name", "last name", "full name", "credit card", "card number", "user name", "api key"))
_EMAIL = re.compile(r"[^@\s]{1,64}(?:@|%40)[^@\s]{1,255}\.[A-Za-z]{2,}")
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")


def check_baggage(baggage: Mapping[str, object], incoming: Mapping[str, object] | None = None) -> list[tuple[str, str]]:
    """The findings about ``baggage`` as pairs of finding and key, each at most once per key.

    ``baggage_limit``: more entries or bytes than propagators have to pass on. ``baggage_growth``: this process has added
    more than 8 entries, or 1,024 bytes, to the ``incoming`` baggage, if that is given. ``baggage_personal_data``: an entry
    whose key or value is that of a person: an e-mail address, the number of a card. Values are never part of a finding.
    """
    found = []
    entries, size = _measure(baggage)
    if entries > MAX_ENTRIES or size > MAX_BYTES:
        found.append(("baggage_limit", f"{entries} entries, {size} bytes"))
    if incoming is not None:
        entries_before, size_before = _measure(incoming)
        if entries - entries_before > _GROWTH_ENTRIES or size - size_before > _GROWTH_BYTES:
            found.append(("baggage_growth", f"{entries - entries_before} entries, {size - size_before} bytes"))
    found += [("baggage_personal_data", key) for key, value in baggage.items() if _is_personal(key, str(value))]
    return found


def _measure(baggage: Mapping[str, object]) -> tuple[int, int]:
    """Entries and bytes, with ``=`` and ``,`` as in the header, before its percent encoding."""
    return len(baggage), sum(len(f"{key}={value},".encode("utf-8", "replace")) for key, value in baggage.items())


def _is_personal(key: str, value: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(key)]
    if not _PERSONAL.isdisjoint(words) or not _PERSONAL_PAIRS.isdisjoint(map(" ".join, pairwise(words))):
        return True
    value = value[:MAX_BYTES]
    return _EMAIL.search(value) is not None or any(_luhn(match[0]) for match in _CARD.finditer(value))


def _luhn(text: str) -> bool:
    digits = [int(char) for char in text if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
