"""Formats numbers for people, and untrusted text for a terminal."""

from __future__ import annotations

__all__ = ["byte_size", "count", "duration", "plain"]


def duration(nanoseconds: float) -> str:
    """Three digits and a unit: ``830 ns``, ``12.3 µs``, ``4.56 ms``, ``1.20 s``, ``2m 05s``, ``3h 20m``."""
    magnitude = abs(nanoseconds)
    if magnitude < 999.5:
        return f"{nanoseconds:.0f} ns"
    if magnitude < 999.5e3:
        return f"{_three_digits(nanoseconds / 1e3)} µs"
    if magnitude < 999.5e6:
        return f"{_three_digits(nanoseconds / 1e6)} ms"
    if magnitude < 99.95e9:
        return f"{_three_digits(nanoseconds / 1e9)} s"
    minutes, seconds = divmod(round(nanoseconds / 1e9), 60)
    if minutes < 60:
        return f"{minutes}m {seconds:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m"


def byte_size(size: float) -> str:
    """``512 B``, ``1.23 KiB``, ``45.6 MiB``, ``7.89 GiB``."""
    if size < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 999.5 or unit == "GiB":
            break
    return f"{_three_digits(size)} {unit}"


def count(number: float) -> str:
    """A whole number with thousands apart: ``12,345``."""
    return f"{number:,.0f}"


def plain(text: str) -> str:
    """``text`` without unprintable characters, so that a span's name cannot contain terminal control sequences."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _three_digits(number: float) -> str:
    if number < 9.995:
        return f"{number:.2f}"
    return f"{number:.1f}" if number < 99.95 else f"{number:.0f}"
