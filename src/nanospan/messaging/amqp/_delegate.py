"""`Delegate`: an object in front of another one, for all that the front does not do itself."""

from __future__ import annotations

import copy
from typing import Any

__all__ = ["Delegate", "unwrapped"]


class Delegate:
    """Has the attributes of the wrapped object, and is an instance of its class to `isinstance`."""

    __slots__ = ("__weakref__", "_nanospan", "_nanospan_wrapped")

    _nanospan: Any
    """What the front knows."""
    _nanospan_wrapped: Any

    def __init__(self, wrapped: Any, tracing: Any) -> None:
        object.__setattr__(self, "_nanospan_wrapped", wrapped)
        object.__setattr__(self, "_nanospan", tracing)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._nanospan_wrapped)

    def __getattr__(self, name: str) -> Any:
        if name == "_nanospan_wrapped":  # before __init__, as in a copy that is being made
            raise AttributeError(name)
        return getattr(self._nanospan_wrapped, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._nanospan_wrapped, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._nanospan_wrapped, name)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *dir(self._nanospan_wrapped)})

    def __eq__(self, other: object) -> bool:
        return bool(self._nanospan_wrapped == unwrapped(other))

    def __hash__(self) -> int:
        return hash(self._nanospan_wrapped)

    def __str__(self) -> str:
        return str(self._nanospan_wrapped)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} of {self._nanospan_wrapped!r}>"

    def __copy__(self) -> Any:
        return copy.copy(self._nanospan_wrapped)

    def __deepcopy__(self, memo: Any) -> Any:
        return copy.deepcopy(self._nanospan_wrapped, memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._nanospan_wrapped.__reduce_ex__(protocol)

    def __enter__(self) -> Any:
        entered = self._nanospan_wrapped.__enter__()
        return self if entered is self._nanospan_wrapped else entered

    def __exit__(self, *error: Any) -> Any:
        return self._nanospan_wrapped.__exit__(*error)

    async def __aenter__(self) -> Any:
        entered = await self._nanospan_wrapped.__aenter__()
        return self if entered is self._nanospan_wrapped else entered

    async def __aexit__(self, *error: Any) -> Any:
        return await self._nanospan_wrapped.__aexit__(*error)


def unwrapped(value: Any) -> Any:
    """The object behind a `Delegate`; any other one is returned."""
    return value._nanospan_wrapped if issubclass(type(value), Delegate) else value
