"""Tokens of another context, which the API's ``detach`` would log with a traceback."""

from __future__ import annotations

from collections.abc import Callable

from nanospan._install.foreign_tokens import quiet_foreign_tokens

__all__ = ["TokenPatch"]


class TokenPatch:
    """Lets `opentelemetry.context.detach` count such a token in ``stats()``, and log nothing, while it is applied."""

    def __init__(self) -> None:
        self._release: Callable[[], None] | None = None

    def apply(self) -> bool:
        if self._release is not None:
            return False
        self._release = quiet_foreign_tokens()
        return True

    def undo(self) -> bool:
        release, self._release = self._release, None
        if release is not None:
            release()
        return True
