"""The keywords that all wrappers take, and the `Messaging` that they make of them and of the client's own settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from nanospan._common.arguments import check_has, safe_repr
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._carriers.propagation import Incoming
from nanospan.messaging._clients.delegate import Delegate
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.messaging import Messaging

__all__ = ["ClientOptions", "check_client", "described"]


class ClientOptions(TypedDict, total=False):
    """Keywords of each wrapper. What they mean says `Messaging`."""

    tracer_provider: TracerProvider | None
    """The global one if None."""
    meter_provider: MeterProvider | None
    """No metrics if None."""
    server_address: str | None
    """The broker's host. By default that of the client's settings."""
    server_port: int | None
    client_id: str | None
    consumer_group: str | None
    relation: Relation
    incoming: Incoming
    max_links: int | None


def check_client(name: str, client: object, methods: tuple[str, ...], accepted: str) -> None:
    """Raise TypeError if ``client`` has not the methods, or is wrapped already."""
    if issubclass(type(client), Delegate):
        raise TypeError(f"{name} must be {accepted} that is not wrapped yet, not {safe_repr(client)}")
    check_has(name, client, methods, accepted)


def described(
    system: str, options: Mapping[str, Any], server: Callable[[], tuple[str | None, int | None]], **own: Any
) -> Messaging:
    """The description of a client with these options. ``server`` returns its broker, and may raise.

    Raises:
        TypeError, ValueError: for a wrong option, by name.
    """
    known = ClientOptions.__annotations__
    if unknown := sorted(options.keys() - known.keys()):
        raise TypeError(f"unexpected keyword argument {unknown[0]!r}; accepted are {', '.join(known)}")
    found: dict[str, Any] = {}
    if options.get("server_address") is None:
        try:
            address, port = server()
            if isinstance(address, str) and address:
                found["server_address"] = address
                if isinstance(port, int) and 0 <= port < 65536:
                    found["server_port"] = port
        except Exception:
            log_failure("the address of a client's server")
    return Messaging(system, **{**found, **{k: v for k, v in options.items() if v is not None}}, **own)
