"""What the wrappers take, and the `Messaging` that they make of it and of the client's own settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, cast

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from nanospan._common.arguments import check_bool
from nanospan.messaging._carriers.carrier import as_text
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._carriers.propagation import Incoming
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.messaging import Messaging, check_choice
from nanospan.messaging._spans.sending import CREATIONS, Creation

__all__ = ["ConsumerOptions", "ProducerOptions", "described", "split_off"]

DEFAULT_PORT = 9092


class ClientOptions(TypedDict, total=False):
    tracer_provider: TracerProvider | None
    """The global one if None."""
    meter_provider: MeterProvider | None
    """No metrics if None."""
    server_address: str | None
    """The broker's host. By default that of the client's settings, if they name one broker alone."""
    server_port: int | None
    client_id: str | None
    max_links: int | None
    """See `Messaging`."""


class ProducerOptions(ClientOptions, total=False):
    """Keywords of `wrap_producer`."""

    creation: Creation
    """Which context goes into a message: see `Messaging.send`."""


class ConsumerOptions(ClientOptions, total=False):
    """Keywords of `wrap_consumer`."""

    consumer_group: str | None
    relation: Relation
    """See `Messaging`."""
    incoming: Incoming
    """See `Messaging`."""
    empty_polls: bool
    """Whether a poll that brings nothing makes a span; False by default."""


def split_off(options: Mapping[str, Any], accepted: type[Any], *own: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of `Messaging`, and those in ``own``. Raises TypeError or ValueError for a wrong one."""
    known = accepted.__annotations__
    if unknown := sorted(options.keys() - known.keys()):
        raise TypeError(f"unexpected keyword argument {unknown[0]!r}; accepted are {', '.join(known)}")
    if "creation" in options:
        check_choice("creation", options["creation"], CREATIONS)
    if "empty_polls" in options:
        check_bool("empty_polls", options["empty_polls"])
    return {k: v for k, v in options.items() if k not in own}, {k: v for k, v in options.items() if k in own}


def described(options: Mapping[str, Any], servers: object, client_id: object, group: object = None) -> Messaging:
    """The description of a client with these options, and with what its settings say for those that are not given.

    Raises:
        TypeError, ValueError: for a wrong option, by name.
    """
    found: dict[str, Any] = {}
    try:
        if options.get("server_address") is None:
            found["server_address"], found["server_port"] = _only_server(servers)
        for name, value in (("client_id", client_id), ("consumer_group", group)):
            if text := as_text(value):
                found[name] = text
    except Exception:
        log_failure("the settings of a client of Kafka")
    given = {name: value for name, value in options.items() if value is not None}
    return Messaging("kafka", **cast(Any, {**found, **given}))


def _only_server(servers: object) -> tuple[str | None, int | None]:
    """The host and the port of the one broker in ``host:port,...`` or in a list of them; None if there are several."""
    listed = servers.split(",") if isinstance(servers, str) else list(servers) if isinstance(servers, list | tuple) else []
    if len(listed) != 1 or not isinstance(listed[0], str):
        return None, None
    place = listed[0].strip().rpartition("://")[2]
    host, colon, port = place.rpartition(":")
    if not colon or port.endswith("]"):  # no port; an address of IPv6 ends with the bracket
        host, port = place, str(DEFAULT_PORT)
    if not host or not port.isdecimal():
        return None, None
    return host.strip("[]"), int(port)
