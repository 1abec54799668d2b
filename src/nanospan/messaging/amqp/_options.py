"""What the wrappers take, and the `Tracing` that they make of it and of the client's own settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict, cast

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from nanospan._common.arguments import check_bool
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._carriers.propagation import Incoming
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.messaging import Messaging, check_choice
from nanospan.messaging._spans.sending import CREATIONS, Creation
from nanospan.messaging.amqp._tracing import Tracing

__all__ = ["Options", "tracing_of"]

Server = tuple[str | None, int | None]

_OWN = ("creation", "empty_gets", "settle")


class Options(TypedDict, total=False):
    """Keywords of the wrappers."""

    tracer_provider: TracerProvider | None
    """The global one if None."""
    meter_provider: MeterProvider | None
    """No metrics if None."""
    server_address: str | None
    """The broker's host. By default the one of the connection."""
    server_port: int | None
    client_id: str | None
    relation: Relation
    """See `Messaging`."""
    incoming: Incoming
    """See `Messaging`."""
    max_links: int | None
    """See `Messaging`."""
    creation: Creation
    """Which context goes into a message: see `Messaging.send`."""
    settle: bool
    """Whether ack, nack and reject make spans; False by default."""
    empty_gets: bool
    """Whether a get that finds the queue empty makes a span; False by default."""


def tracing_of(options: Mapping[str, Any], server_of: Callable[[], Server]) -> Tracing:
    """What wrappers with these options share.

    Args:
        server_of: Returns the host and the port of the connection; may raise.

    Raises:
        TypeError, ValueError: for a wrong option, by name.
    """
    known = Options.__annotations__
    if unknown := sorted(options.keys() - known.keys()):
        raise TypeError(f"unexpected keyword argument {unknown[0]!r}; accepted are {', '.join(known)}")
    check_choice("creation", options.get("creation", "send"), CREATIONS)
    for name in ("settle", "empty_gets"):
        check_bool(name, options.get(name, False))
    given = {name: value for name, value in options.items() if value is not None and name not in _OWN}
    if "server_address" not in given and "server_port" not in given:
        given |= _server(server_of)
    own = {name: options[name] for name in _OWN if name in options}
    return Tracing(Messaging("rabbitmq", **cast(Any, given)), **cast(Any, own))


def _server(server_of: Callable[[], Server]) -> dict[str, Any]:
    try:
        host, port = server_of()
    except Exception:
        log_failure("the address of a connection")
        return {}
    if not isinstance(host, str) or not host:
        return {}
    return {"server_address": host, **({"server_port": port} if type(port) is int and 0 <= port <= 65535 else {})}
