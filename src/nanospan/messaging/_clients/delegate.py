"""`Delegate`: an object in front of another one, which does all that the front does not do itself."""

from __future__ import annotations

from typing import Any

__all__ = ["Delegate"]


class Delegate:
    """Attributes are those of ``__wrapped__``; `isinstance` takes it for one of the same class."""

    __slots__ = ("__weakref__", "__wrapped__", "_nanospan")

    __wrapped__: Any
    _nanospan: Any

    def __init__(self, wrapped: Any, tracing: Any) -> None:
        object.__setattr__(self, "__wrapped__", wrapped)
        object.__setattr__(self, "_nanospan", tracing)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self.__wrapped__)

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":  # before __init__, as when it is copied
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__wrapped__, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__wrapped__, name)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *dir(self.__wrapped__)})

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} of {self.__wrapped__!r}>"

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
