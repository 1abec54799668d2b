"""Stands under the names of the official OTLP exporters, and makes nanospan's where it can."""

from __future__ import annotations

import inspect
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from nanospan.export._settings.environment import names_credential_provider

__all__ = ["official_exporters"]

_OFFICIAL = {
    "opentelemetry.exporter.otlp.proto.http.trace_exporter": "nanospan.export.http",
    "opentelemetry.exporter.otlp.proto.grpc.trace_exporter": "nanospan.export.grpc",
}


def official_exporters() -> dict[tuple[str, str], tuple[Any, Any]]:
    """By module and name: the official class, and what is to stand in its place. Of the installed packages only."""
    found = {}
    for official, own in _OFFICIAL.items():
        try:
            if find_spec(official) is None:
                continue
            stock = import_module(official).OTLPSpanExporter
            substitute = stock if isinstance(stock, _Substitute) else _substitute(stock, import_module(own).OTLPSpanExporter)
        except (ImportError, AttributeError):  # half installed
            continue
        found[official, "OTLPSpanExporter"] = stock, substitute
    return found


class _Substitute(type):
    """Metaclass of a name for two classes: it makes `own`, or `stock` for what only that one takes: some arguments, and a
    provider of credentials.

    Classes derive from `stock`, whose private methods they override.
    """

    own: Any
    stock: Any

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **keywords: Any) -> Any:
        derived = tuple(base.stock if isinstance(base, _Substitute) else base for base in bases)
        if derived != bases:
            return type(derived[0])(name, derived, namespace, **keywords)
        return super().__new__(cls, name, bases, namespace)

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        if not _takes(cls.own, arguments, named) or (names_credential_provider() and _takes(cls.stock, arguments, named)):
            return cls.stock(*arguments, **named)
        return cls.own(*arguments, **named)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, (cls.own, cls.stock))

    def __subclasscheck__(cls, candidate: type) -> bool:
        return candidate is cls or issubclass(candidate, (cls.own, cls.stock))


def _takes(cls: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> bool:
    try:
        inspect.signature(cls).bind(*arguments, **named)
    except TypeError:
        return False
    return True


def _substitute(stock: Any, own: Any) -> Any:
    namespace = {"own": own, "stock": stock, "__doc__": own.__doc__, "__module__": stock.__module__}
    return _Substitute(stock.__name__, (), namespace)
