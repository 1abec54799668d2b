"""Environment variables with odd values.

A blank variable counts as unset. So does a value that cannot be used, with one warning a process, which names the variable
and the value and says what to write. (Specification: configuration/common.md.)
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar
from urllib.parse import unquote

from nanospan._common.log import MAX_EXCERPT

__all__ = [
    "boolean_variable",
    "collected_warnings",
    "integer_variable",
    "near",
    "parsed_variable",
    "to_write",
    "variable_text",
    "warn_ignored",
    "warn_once",
]

Parsed = TypeVar("Parsed")

_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+")
_UNITS = {"k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9}

_warned: set[tuple[str, str]] = set()
_collecting = threading.local()


def variable_text(variable: str) -> str:
    """The value without surrounding whitespace; empty if the variable is unset or blank."""
    return os.environ.get(variable, "").strip()


def warn_once(logger: logging.Logger, variable: str, value: str, message: str) -> None:
    """Log ``message`` about ``value``, which it follows, once in this process."""
    shown = value if len(value) <= MAX_EXCERPT else value[: MAX_EXCERPT - 3] + "..."
    found: dict[str, str] | None = getattr(_collecting, "found", None)
    if found is not None:
        found[variable] = f"{variable}={shown!r} {message}"
        return
    if (variable, value) in _warned:
        return
    _warned.add((variable, value))
    logger.warning("%s=%r %s", variable, shown, message)


@contextlib.contextmanager
def collected_warnings() -> Iterator[dict[str, str]]:
    """Collect this thread's warnings by variable, also those that were logged before, and log none of them."""
    found: dict[str, str] = {}
    _collecting.found = found
    try:
        yield found
    finally:
        del _collecting.found


def warn_ignored(logger: logging.Logger, variable: str, value: str, write: str) -> None:
    """Say that ``value`` counts as unset, and what to ``write`` in its place."""
    warn_once(logger, variable, value, f"is ignored: write {write}")


def parsed_variable(
    logger: logging.Logger, variable: str, parse: Callable[[str], Parsed], accepted: str, default: str
) -> Parsed | None:
    """What ``parse`` makes of the variable; None if it is unset, blank, or ``parse`` raises ValueError, with a warning.

    ``accepted`` and ``default`` describe the values for the warning.
    """
    text = variable_text(variable)
    if not text:
        return None
    try:
        return parse(text)
    except ValueError:
        warn_ignored(logger, variable, text, f"{to_write(text, parse, accepted)} (default {default})")
        return None


def integer_variable(
    logger: logging.Logger, variable: str, minimum: int, maximum: int, default: str, *, unit: str = ""
) -> int | None:
    """The integer in the variable; None if it is unset, or is none from ``minimum`` to ``maximum``, with a warning."""

    def parse(text: str) -> int:
        value = int(text)
        if not minimum <= value <= maximum:
            raise ValueError
        return value

    range_text = f", {minimum} or more" if maximum == sys.maxsize else f" from {minimum} to {maximum}"
    return parsed_variable(logger, variable, parse, f"an integer{unit}{range_text}", default)


def boolean_variable(logger: logging.Logger, variable: str) -> bool:
    """Whether the variable is ``true``, in any case. (Specification: any other value is false, and warned about.)"""
    text = variable_text(variable)
    if text.lower() not in ("", "true", "false"):
        warn_ignored(logger, variable, text, "true or false (default false)")
    return text.lower() == "true"


def to_write(text: str, parse: Callable[[str], object], accepted: str) -> str:
    """``accepted``, after the value that ``text`` was probably meant to be, if ``parse`` takes that."""
    for guess in _guesses(text.strip("\"'").strip()):
        if guess != text and guess:
            try:
                parse(guess)
            except ValueError:
                continue
            return f"{guess}, {accepted}"
    return accepted


def near(text: str, words: Iterable[str]) -> str | None:
    """The one of ``words`` that ``text`` was probably meant to be."""
    import difflib  # for what is written wrong only

    known, written = list(words), text.lower().replace("-", "_")
    if (bare := written.removeprefix("nanospan_")) in known:
        return bare
    found = difflib.get_close_matches(written, known, n=1, cutoff=0.8)
    return found[0] if found else None


def _guesses(text: str) -> Iterator[str]:
    """What ``text`` may have been meant to be, the most probable first."""
    yield text
    yield unquote(text)
    if _THOUSANDS.fullmatch(text):
        yield text.replace(",", "")
    yield text.replace(",", ".")
    with contextlib.suppress(ValueError):
        if text.endswith("%"):
            yield f"{float(text[:-1].replace(',', '.')) / 100:g}"
        elif text[-1:] in _UNITS:
            yield f"{float(text[:-1]) * _UNITS[text[-1]]:.0f}"
        elif 2 <= float(text) <= 100:
            yield f"{float(text) / 100:g}"  # a share in percent
        if float(text).is_integer():
            yield f"{float(text):.0f}"
