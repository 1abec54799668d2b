"""redis-py: `wrap_client` for the streams of a Redis client, of both its synchronous and its asyncio class.

::

    from redis import Redis
    from nanospan.messaging.redis import wrap_client

    client = wrap_client(Redis())
    client.xadd("orders", {"id": 7})

    for stream, entries in client.xreadgroup("billing", "worker-1", {"orders": ">"}):
        for entry in entries:
            with client.process(stream, entry):
                handle(entry)
                client.xack(stream, "billing", entry[0])

An entry of a stream has no headers: the context is in fields of the entry, ``traceparent`` and the like, which all readers
of the stream see. Choose other names with ``carrier=redis_stream("otel-")``. XADD in a pipeline, in a script, and by
``execute_command`` is passed on as it is, and so is each command that is not of a stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Unpack

from nanospan._common.arguments import check_bool
from nanospan.messaging._carriers.carrier import Carrier, as_text
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._clients.delegate import Delegate
from nanospan.messaging._clients.options import ClientOptions, check_client, described
from nanospan.messaging._conventions.vocabulary import CONSUMER_GROUP, DESTINATION_NAME
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.consuming import Processing, Receiving, Settling
from nanospan.messaging._spans.messaging import Messaging
from nanospan.messaging._spans.sending import Sending

__all__ = ["AsyncTracedClient", "TracedClient", "wrap_client"]

_IDMPAUTO_POSITION = 7
"""Of XADD's arguments after the fields."""


class Entry(NamedTuple):
    """What spans say of an entry."""

    stream: str | None
    id: object
    fields: Any


class _StreamTracing:
    """What the wrapper of a client knows."""

    __slots__ = ("_empty_polls", "messaging")

    def __init__(self, messaging: Messaging, empty_polls: bool) -> None:
        self.messaging = messaging
        self._empty_polls = empty_polls

    def add(self, stream: object, fields: Any) -> Sending:
        return self.messaging.send(as_text(stream), fields, operation="xadd")

    def read(self, operation: str, group: object = None, streams: Any = None) -> Receiving:
        """A context manager around a command that reads ``streams``, a mapping of names or a name."""
        name = attributes = None
        try:
            names = list(streams) if isinstance(streams, Mapping) else [streams]
            name = as_text(names[0]) if len(names) == 1 else None
            attributes = None if group is None else {CONSUMER_GROUP: as_text(group)}
        except Exception:
            log_failure("the streams of a command")
        return self.messaging.receive(name, operation=operation, empty=self._empty_polls, attributes=attributes)

    def came(self, receiving: Receiving, streams: Iterable[tuple[object, Any]]) -> None:
        """Say what a command has returned: names of streams, with their entries. Never raises."""
        try:
            found = [entry for stream, entries in streams for entry in _entries(stream, entries)]
            facts = _of_batch(found)
            if found or self._empty_polls:
                receiving.received(destination=facts.pop("destination"), **facts)
        except Exception:
            log_failure("the entries of a stream")

    def process(self, stream: object, entries: Any, relation: Relation | None) -> Processing:
        try:
            name = as_text(stream)
            if _is_entry(entries):
                return self.messaging.process(name, entries[1] or None, message_id=entries[0], relation=relation)
            facts = _of_batch(list(_entries(stream, entries)))
            del facts["destination"]
            return self.messaging.process(name, relation=relation, **facts)
        except Exception:
            log_failure("the entries of a handler")
            return self.messaging.process(relation=relation)

    def acknowledge(self, stream: object, group: object, ids: tuple[Any, ...]) -> Settling:
        try:
            facts: dict[str, Any] = {"message_id": ids[0]} if len(ids) == 1 else {"headers_of": [None] * len(ids)}
            attributes = {CONSUMER_GROUP: as_text(group)}
            return self.messaging.settle(as_text(stream), operation="xack", attributes=attributes, **facts)
        except Exception:
            log_failure("the stream of an acknowledgement")
            return self.messaging.settle(operation="xack")


def _is_entry(value: Any) -> bool:
    """Whether it is an identifier with fields, and perhaps more."""
    return (
        isinstance(value, tuple | list)
        and len(value) >= 2
        and isinstance(value[0], str | bytes)
        and (value[1] is None or isinstance(value[1], Mapping))
    )


def _entries(stream: object, value: Any) -> Iterable[Entry]:
    """The entries in a list, or in a list of lists as the third version of the protocol has them."""
    for item in value or ():
        if _is_entry(item):
            yield Entry(as_text(stream), item[0], item[1])
        elif isinstance(item, list):
            yield from _entries(stream, item)


def _streams(result: Any) -> Iterable[tuple[object, Any]]:
    """The streams of a reply to XREAD, which is a list of pairs or a mapping."""
    if isinstance(result, Mapping):
        return result.items()
    return [(pair[0], pair[1]) for pair in result or ()]


def _of_batch(entries: list[Entry]) -> dict[str, Any]:
    streams = {entry.stream for entry in entries}
    one = len(streams) == 1
    return {
        "destination": streams.pop() if one else None,
        # An entry that was deleted has no fields.
        "headers_of": [entry.fields or None for entry in entries],
        "message_ids": [entry.id for entry in entries],
        "attributes_of": None if one else [{DESTINATION_NAME: entry.stream} for entry in entries],
    }


def _takes_fields(fields: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an entry may have more fields than the caller's.

    Not one that the client refuses, nor one whose content tells the server whether it is a repetition (IDMPAUTO).
    """
    idmpauto = kwargs.get("idmpauto", args[_IDMPAUTO_POSITION] if len(args) > _IDMPAUTO_POSITION else None)
    return isinstance(fields, dict) and len(fields) > 0 and idmpauto is None


class _Client(Delegate):
    __slots__ = ()

    def __getitem__(self, name: Any) -> Any:
        return self.__wrapped__[name]

    def __setitem__(self, name: Any, value: Any) -> None:
        self.__wrapped__[name] = value

    def __delitem__(self, name: Any) -> None:
        del self.__wrapped__[name]

    def __contains__(self, name: Any) -> bool:
        return name in self.__wrapped__

    def process(self, stream: Any, entries: Any, *, relation: Relation | None = None) -> Processing:
        """A context manager around the handler of one entry of a stream, or of a list of them: a CONSUMER span.

        Args:
            stream: The stream's name, str or bytes.
            entries: A pair of an identifier and fields as XREAD returns it, or a list of these.
            relation: See `Messaging.process`.
        """
        processing: Processing = self._nanospan.process(stream, entries, relation)
        return processing


class TracedClient(_Client):
    """A client whose stream commands have spans, and `process` for the handlers."""

    __slots__ = ()

    def xadd(self, name: Any, fields: Any, *args: Any, **kwargs: Any) -> Any:
        with self._nanospan.add(name, fields) as sending:
            made = sending.headers if _takes_fields(fields, args, kwargs) else fields
            added = self.__wrapped__.xadd(name, made, *args, **kwargs)
            sending.sent(message_id=added)
            return added

    def xread(self, streams: Any, *args: Any, **kwargs: Any) -> Any:
        return self._read(self._nanospan.read("xread", None, streams), "xread", streams, *args, **kwargs)

    def xreadgroup(self, groupname: Any, consumername: Any, streams: Any, *args: Any, **kwargs: Any) -> Any:
        receiving = self._nanospan.read("xreadgroup", groupname, streams)
        return self._read(receiving, "xreadgroup", groupname, consumername, streams, *args, **kwargs)

    def xclaim(self, name: Any, groupname: Any, *args: Any, **kwargs: Any) -> Any:
        with self._nanospan.read("xclaim", groupname, name) as receiving:
            result = self.__wrapped__.xclaim(name, groupname, *args, **kwargs)
            self._nanospan.came(receiving, [(name, result)])
            return result

    def xautoclaim(self, name: Any, groupname: Any, *args: Any, **kwargs: Any) -> Any:
        with self._nanospan.read("xautoclaim", groupname, name) as receiving:
            result = self.__wrapped__.xautoclaim(name, groupname, *args, **kwargs)
            self._nanospan.came(receiving, [(name, result)])
            return result

    def xack(self, name: Any, groupname: Any, *ids: Any, **kwargs: Any) -> Any:
        with self._nanospan.acknowledge(name, groupname, ids):
            return self.__wrapped__.xack(name, groupname, *ids, **kwargs)

    def _read(self, receiving: Receiving, command: str, *args: Any, **kwargs: Any) -> Any:
        with receiving:
            result = getattr(self.__wrapped__, command)(*args, **kwargs)
            self._nanospan.came(receiving, _streams_or_none(result))
            return result


class AsyncTracedClient(_Client):
    """The same for a client of redis.asyncio."""

    __slots__ = ()

    def __await__(self) -> Any:
        yield from self.__wrapped__.__await__()
        return self

    async def xadd(self, name: Any, fields: Any, *args: Any, **kwargs: Any) -> Any:
        with self._nanospan.add(name, fields) as sending:
            made = sending.headers if _takes_fields(fields, args, kwargs) else fields
            added = await self.__wrapped__.xadd(name, made, *args, **kwargs)
            sending.sent(message_id=added)
            return added

    async def xread(self, streams: Any, *args: Any, **kwargs: Any) -> Any:
        receiving = self._nanospan.read("xread", None, streams)
        return await self._asked(receiving, _streams_or_none, "xread", streams, *args, **kwargs)

    async def xreadgroup(self, groupname: Any, consumername: Any, streams: Any, *args: Any, **kwargs: Any) -> Any:
        receiving = self._nanospan.read("xreadgroup", groupname, streams)
        arguments = (groupname, consumername, streams, *args)
        return await self._asked(receiving, _streams_or_none, "xreadgroup", *arguments, **kwargs)

    async def xclaim(self, name: Any, groupname: Any, *args: Any, **kwargs: Any) -> Any:
        receiving = self._nanospan.read("xclaim", groupname, name)
        return await self._asked(receiving, lambda result: [(name, result)], "xclaim", name, groupname, *args, **kwargs)

    async def xautoclaim(self, name: Any, groupname: Any, *args: Any, **kwargs: Any) -> Any:
        receiving = self._nanospan.read("xautoclaim", groupname, name)
        arguments = (name, groupname, *args)
        return await self._asked(receiving, lambda result: [(name, result)], "xautoclaim", *arguments, **kwargs)

    async def xack(self, name: Any, groupname: Any, *ids: Any, **kwargs: Any) -> Any:
        with self._nanospan.acknowledge(name, groupname, ids):
            return await self.__wrapped__.xack(name, groupname, *ids, **kwargs)

    async def _asked(self, receiving: Receiving, streams: Any, command: str, *args: Any, **kwargs: Any) -> Any:
        with receiving:
            try:
                result = await getattr(self.__wrapped__, command)(*args, **kwargs)
            except asyncio.CancelledError:
                receiving.__exit__(None, None, None)  # as of a timeout: an empty poll
                raise
            self._nanospan.came(receiving, streams(result))
            return result


def _streams_or_none(result: Any) -> Iterable[tuple[object, Any]]:
    try:
        return _streams(result)
    except Exception:
        log_failure("the reply to a stream command")
        return []


def wrap_client(
    client: Any, *, carrier: Carrier | None = None, empty_polls: bool = False, **options: Unpack[ClientOptions]
) -> Any:
    """The client with spans for what it adds to streams and reads from them: a `TracedClient` or an `AsyncTracedClient`.

    Args:
        client: A redis.Redis, a redis.asyncio.Redis, or a RedisCluster of either.
        carrier: The names of the fields with the context: `REDIS_STREAM` if None, or one of `redis_stream`.
        empty_polls: Whether a read that brings nothing makes a span.
        options: See `ClientOptions`.

    Raises:
        TypeError, ValueError: for a wrong argument, by name.
    """
    check_client("client", client, ("xadd", "xread", "execute_command"), "a redis.Redis or redis.asyncio.Redis")
    check_bool("empty_polls", empty_polls)

    def server() -> tuple[str | None, int | None]:
        settings = getattr(getattr(client, "connection_pool", None), "connection_kwargs", {})
        return settings.get("host", settings.get("path")), settings.get("port")

    tracing = _StreamTracing(described("redis", options, server, carrier=carrier), empty_polls)
    is_async = hasattr(type(client), "__await__")
    return (AsyncTracedClient if is_async else TracedClient)(client, tracing)
