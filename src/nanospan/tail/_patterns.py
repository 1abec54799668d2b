"""Regular expressions for attribute texts, with a cache of their results."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from nanospan.tail._plan import Condition

__all__ = ["compile_patterns", "make_matcher"]

MAX_CACHED_LENGTH = 1024
"""Maximum characters of a cached text; the cache keeps references to its texts."""


def compile_patterns(argument: str, patterns: tuple[str, ...]) -> list[re.Pattern[str]]:
    """The compiled patterns. Raises ValueError, with the argument's name, for a pattern that does not compile."""
    compiled = []
    for index, pattern in enumerate(patterns):
        try:
            compiled.append(re.compile(pattern))
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(
                f"{argument}[{index}] must be a regular expression as Python's re takes it, not {pattern!r}: {error}"
            ) from None
    return compiled


def make_matcher(condition: Condition) -> Callable[[str], bool]:
    """A function that returns whether any of the condition's patterns is found in a text."""
    searches = [pattern.search for pattern in compile_patterns("values", condition.values)]

    def is_found(text: str) -> bool:
        return any(search(text) is not None for search in searches)

    is_found_cached = functools.lru_cache(maxsize=condition.cache_size)(is_found)

    def matches(text: str) -> bool:
        return is_found_cached(text) if len(text) <= MAX_CACHED_LENGTH else is_found(text)

    return matches
