"""`Delegate`: an object in front of another one, for all that the front does not do itself."""

from __future__ import annotations

import copy
from typing import Any

__all__ = ["Delegate", "unwrapped"]


class Delegate:
    """Has the attributes of the wrapped object, and is an instance of its class to `isinstance`."""

    __slots__ = ("__weakref__", "__wrapped__", "_nanospan")

    _nanospan: Any
    """What the front knows."""
    __wrapped__: Any

    def __init__(self, wrapped: Any, tracing: Any) -> None:
        object.__setattr__(self, "__wrapped__", wrapped)
        object.__setattr__(self, "_nanospan", tracing)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self.__wrapped__)

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":  # before __init__, as in a copy that is being made
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__wrapped__, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__wrapped__, name)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *dir(self.__wrapped__)})

    def __eq__(self, other: object) -> bool:
        return bool(self.__wrapped__ == unwrapped(other))

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __str__(self) -> str:
        return str(self.__wrapped__)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} of {self.__wrapped__!r}>"

    def __copy__(self) -> Any:
        return copy.copy(self.__wrapped__)

    def __deepcopy__(self, memo: Any) -> Any:
        return copy.deepcopy(self.__wrapped__, memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__reduce_ex__(protocol)

    def __enter__(self) -> Any:
        entered = self.__wrapped__.__enter__()
        return self if entered is self.__wrapped__ else entered

    def __exit__(self, *error: Any) -> Any:
        return self.__wrapped__.__exit__(*error)

    async def __aenter__(self) -> Any:
        entered = await self.__wrapped__.__aenter__()
        return self if entered is self.__wrapped__ else entered

    async def __aexit__(self, *error: Any) -> Any:
        return await self.__wrapped__.__aexit__(*error)


def unwrapped(value: Any) -> Any:
    """The object behind a `Delegate`; any other one is returned."""
    return value.__wrapped__ if issubclass(type(value), Delegate) else value
