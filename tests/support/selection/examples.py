"""The number of Hypothesis examples: in full with ``pytest --all``, a fifth otherwise."""

from __future__ import annotations

from hypothesis import settings

FAST = "fast"
ALL = "all"
_DEFAULT = 100


def register_profiles() -> None:
    # No deadline: the time of an example depends on the machine.
    settings.register_profile(ALL, deadline=None, max_examples=_DEFAULT)
    settings.register_profile(FAST, deadline=None, max_examples=_DEFAULT // 5)


def runs_all() -> bool:
    return settings.get_current_profile_name() == ALL


def examples(full: int) -> int:
    """For tests that set their own number; they call it at import, after ``pytest_configure`` has chosen the profile."""
    return full if runs_all() else max(1, full // 5)
