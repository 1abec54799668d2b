"""Connections of the HTTP exporter: TLS, proxies, and a pool that survives a fork."""

from __future__ import annotations

# A host name lookup imports this module. Import it now, not in the first export: each file read releases the GIL, and a busy
# application would fill the queue meanwhile.
import encodings.idna  # noqa: F401
import logging
import os
import queue
import ssl
from collections import deque
from typing import Any
from urllib.request import getproxies, proxy_bypass

import urllib3
import urllib3.connection

from nanospan.export._settings.endpoint import HttpEndpoint, parse_http_url
from nanospan.export._settings.environment import TlsFile

__all__ = ["new_pool", "tls_context"]

logger = logging.getLogger(__name__)

_CONNECTIONS = 4
"""Maximum kept-alive connections. The processor uses one, each thread that calls export() another."""

_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def tls_context(
    authorities: TlsFile | None, key: TlsFile | None, certificate: TlsFile | None
) -> ssl.SSLContext:
    """A verifying TLS client context.

    Without ``authorities`` it trusts the bundle in ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE``, as the official exporter
    does, else the system's. Raises ValueError for an unusable file in an argument.
    """
    if authorities is None:
        bundles = (TlsFile(os.environ.get(name, ""), name, False) for name in _BUNDLE_VARIABLES)
        authorities = next((bundle for bundle in bundles if bundle.path), None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authorities is None or not _trust(context, authorities):
        context.load_default_certs()
    if certificate is not None:
        try:
            context.load_cert_chain(certificate.path, key.path if key is not None else None)
        except (OSError, ValueError) as error:
            (key or certificate).refuse(f"is no usable client key and certificate ({error})")
    elif key is not None:
        key.refuse("is a client key without a client certificate")
    return context


def _trust(context: ssl.SSLContext, authorities: TlsFile) -> bool:
    try:
        if os.path.isdir(authorities.path):
            context.load_verify_locations(capath=authorities.path)
        else:
            context.load_verify_locations(cafile=authorities.path)
    except (OSError, ValueError) as error:
        authorities.refuse(f"holds no usable CA certificates ({error})")
        return False
    return True


class _LockFreeStack:
    """The part of queue.LifoQueue that urllib3 uses, without a lock, which a fork could leave locked."""

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._items: deque[Any] = deque()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        try:
            return self._items.pop()
        except IndexError:
            raise queue.Empty from None

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        if len(self._items) >= self._maxsize:
            raise queue.Full
        self._items.append(item)

    def qsize(self) -> int:
        return len(self._items)


class _SingleWriteConnection(urllib3.connection.HTTPConnection):
    """A connection with a minimum of system calls per request.

    Each system call releases the GIL; if another thread is busy, reacquiring it takes a switch interval (5 ms), and the
    queue fills meanwhile. Headers and body are sent in one call. A kept-alive connection is not checked before a request:
    if it is dead, the request fails and is retried at once.
    """

    _head = b""
    _collecting = False

    @property
    def is_connected(self) -> bool:
        return self.sock is not None

    def endheaders(self, *arguments: Any, **options: Any) -> None:
        self._collecting = True
        try:
            super().endheaders(*arguments, **options)
        finally:
            self._collecting = False

    def send(self, data: Any) -> None:
        if self._collecting:
            self._head += data
            return
        head, self._head = self._head, b""
        if not head or not isinstance(data, (bytes, memoryview)):
            if head:
                super().send(head)
            super().send(data)
            return
        if self.sock is None:
            self.connect()
        body = memoryview(data)
        sent = self.sock.sendmsg([head, body])
        if sent < len(head):
            self.sock.sendall(head[sent:])
        if (left := max(0, sent - len(head))) < body.nbytes:
            self.sock.sendall(body[left:])

    def close(self) -> None:
        self._head = b""
        super().close()


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _SingleWriteConnection
    QueueCls = _LockFreeStack  # type: ignore[assignment]  # urllib3 declares a Queue


class _TlsPool(urllib3.HTTPSConnectionPool):
    QueueCls = _LockFreeStack  # type: ignore[assignment]  # urllib3 declares a Queue


def new_pool(endpoint: HttpEndpoint, context: ssl.SSLContext | None) -> urllib3.PoolManager:
    """A pool of connections to ``endpoint``, through the proxy in the environment, if any."""
    options: dict[str, Any] = {"num_pools": 1, "maxsize": _CONNECTIONS, "block": False}
    if context is not None:
        options["ssl_context"] = context
    proxy = _proxy(endpoint)
    pool: urllib3.PoolManager
    if proxy is None:
        pool = urllib3.PoolManager(**options)
    else:
        credentials = urllib3.make_headers(proxy_basic_auth=proxy.basic_auth) if proxy.basic_auth else None
        pool = urllib3.ProxyManager(proxy.url, proxy_headers=credentials, **options)
    pool.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
    return pool


def _proxy(endpoint: HttpEndpoint) -> HttpEndpoint | None:
    """The proxy for ``endpoint``: HTTP(S)_PROXY, ALL_PROXY and NO_PROXY, in upper or lower case."""
    proxies = getproxies()
    named = proxies.get(endpoint.scheme) or proxies.get("all")
    if not named or proxy_bypass(f"{endpoint.host}:{endpoint.port}") or proxy_bypass(endpoint.host):
        return None
    try:
        return parse_http_url(named if "://" in named else f"http://{named}")
    except ValueError:
        logger.warning(
            "The proxy set for %s is not an http:// or https:// URL; connecting directly",
            endpoint.scheme,
        )
        return None
