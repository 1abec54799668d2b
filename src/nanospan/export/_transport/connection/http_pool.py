"""The kept connections of the HTTP exporter, to the receiver or through the proxy of the environment."""

from __future__ import annotations

# A host name lookup imports this module. Import it now, not in the first export: each file read releases the GIL, and a busy
# application would fill the queue meanwhile.
import encodings.idna  # noqa: F401
import ssl
from collections import deque

import urllib3
from urllib3.connection import ProxyConfig

from nanospan.export._settings.endpoint import HttpEndpoint
from nanospan.export._settings.proxy import resolve_proxy
from nanospan.export._settings.watched_files import WatchedFiles
from nanospan.export._transport.connection.http_connection import HttpConnection, HttpsConnection
from nanospan.export._transport.failure import Peer

__all__ = ["HttpPool"]

_CONNECTIONS = 4
"""Maximum kept-alive connections. The processor uses one, each thread that calls export() another."""


class HttpPool:
    """Opens connections to ``endpoint`` and keeps idle ones. Without a lock, which a fork could leave locked.

    ``context`` has the TLS context for an https endpoint: each handshake uses what its files hold then.
    """

    def __init__(self, endpoint: HttpEndpoint, context: WatchedFiles[ssl.SSLContext] | None) -> None:
        self._endpoint = endpoint
        self._context = context
        self._proxy = resolve_proxy(endpoint)
        self._idle: deque[HttpConnection | HttpsConnection] = deque()
        self._closed = False
        parts = urllib3.util.parse_url(endpoint.url)
        self.target: str = parts.request_uri
        """The target of the request line: the whole URL if a proxy forwards the request, else the path."""
        self.proxy_headers: dict[str, str] = {}
        """Headers for a proxy that forwards the request."""
        self._tunnel_headers: dict[str, str] = {}
        if self._proxy is not None:
            headers = urllib3.make_headers(proxy_basic_auth=self._proxy.basic_auth) if self._proxy.basic_auth else {}
            if endpoint.scheme == "https":
                self._tunnel_headers = dict(headers)
            else:
                self.target = endpoint.url
                self.proxy_headers = dict(headers)

    @property
    def peer(self) -> Peer:
        """Whom connections are made to: the proxy, if there is one."""
        peer = self._endpoint if self._proxy is None else self._proxy
        return Peer(peer.scheme, peer.host, peer.port)

    def take(self) -> HttpConnection | HttpsConnection | None:
        """A kept connection that can carry a request, the last used first. Others are closed."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if connection.is_idle:
                return connection
            connection.close()
        return None

    def new(self) -> HttpConnection | HttpsConnection:
        """A connection that is not open yet."""
        _, host, port = self.peer
        context = None if self._context is None else self._context.current()
        if self._proxy is None:
            if context is None:
                return HttpConnection(host, port)
            return HttpsConnection(host, port, ssl_context=context)
        url = urllib3.util.parse_url(self._proxy.url)
        if context is None:
            if self._proxy.scheme == "http":
                return HttpConnection(host, port, proxy=url)
            return HttpsConnection(host, port, proxy=url, proxy_config=ProxyConfig(None, False, None, None))
        tunnelled = HttpsConnection(
            host, port, proxy=url, proxy_config=ProxyConfig(None, False, None, None), ssl_context=context
        )
        tunnelled.set_tunnel(self._endpoint.host, self._endpoint.port, self._tunnel_headers, scheme=self._proxy.scheme)
        return tunnelled

    def keep(self, connection: HttpConnection | HttpsConnection) -> None:
        """Keep a connection whose answer has been read to its end. Closed instead: the fifth, and one that is used up."""
        if connection.is_open and len(self._idle) < _CONNECTIONS and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close the idle connections, and later those that are in use."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
