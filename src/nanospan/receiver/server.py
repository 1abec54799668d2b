"""The receiver: a store, an HTTP server and, if grpcio is installed, a gRPC server."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from nanospan._common.log import counted
from nanospan.receiver.cors import LOCALHOST_ORIGINS, AllowedOrigins
from nanospan.receiver.http_server import TRACES_PATH, OtlpHttpServer
from nanospan.receiver.intake import Intake, OnRequest
from nanospan.receiver.store import ReceiverStats, TraceStore

if TYPE_CHECKING:
    from nanospan.receiver.grpc_server import OtlpGrpcServer

__all__ = ["GRPC_MISSING", "Receiver", "grpc_is_installed"]

logger = logging.getLogger(__name__)

GRPC_MISSING = "OTLP/gRPC is off: it needs grpcio (pip install 'nanospan[grpc]')"


def grpc_is_installed() -> bool:
    """Whether grpcio can be imported; does not import it."""
    try:
        return importlib.util.find_spec("grpc") is not None
    except ValueError:
        return False


class Receiver:
    """Receives OTLP traces in this process from construction until `stop`; also a context manager.

    ``http_port`` and ``grpc_port`` may be 0 for any free port; ``grpc_port=None`` leaves gRPC out. Without
    grpcio the receiver works over HTTP alone and logs how to get gRPC. ``store`` is made with its defaults
    when not given. ``on_request`` gets each accepted request, see `nanospan.receiver.intake.OnRequest`. ``cors_origins``
    are the origins whose pages may send, see `nanospan.receiver.cors.AllowedOrigins`; by default those of localhost.

    Raises OSError, naming the address, when a port cannot be bound, and ValueError for what is no origin.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        http_port: int = 0,
        grpc_port: int | None = 0,
        store: TraceStore | None = None,
        on_request: OnRequest | None = None,
        cors_origins: Iterable[str] = LOCALHOST_ORIGINS,
    ) -> None:
        origins = AllowedOrigins(cors_origins)
        self.store = TraceStore() if store is None else store
        self._intake = Intake(self.store, on_request)
        self._url_host = f"[{host}]" if ":" in host else host
        try:
            self._http = OtlpHttpServer((host, http_port), self._intake, origins)
        except OSError as error:
            raise OSError(f"cannot listen on {self._url_host}:{http_port}: {error.strerror or error}") from error
        try:
            self._grpc = self._make_grpc(host, grpc_port)
        except OSError:
            self._http.stop()
            raise
        self._http.grpc_port = self.grpc_port
        self._http.start()
        if self._grpc is not None:
            self._grpc.start()

    def _make_grpc(self, host: str, port: int | None) -> OtlpGrpcServer | None:
        if port is None:
            return None
        if not grpc_is_installed():
            logger.warning(GRPC_MISSING)
            return None
        from nanospan.receiver.grpc_server import OtlpGrpcServer

        return OtlpGrpcServer((host, port), self._intake)

    @property
    def http_port(self) -> int:
        return self._http.port

    @property
    def grpc_port(self) -> int | None:
        """None when gRPC is off."""
        return None if self._grpc is None else self._grpc.port

    @property
    def endpoint_http(self) -> str:
        """The whole URL, with path, as OTLP/HTTP exporters take it for ``endpoint``."""
        return f"http://{self._url_host}:{self.http_port}{TRACES_PATH}"

    @property
    def endpoint_grpc(self) -> str | None:
        """The URL as OTLP/gRPC exporters take it for ``endpoint``; None when gRPC is off."""
        return None if self._grpc is None else f"http://{self._url_host}:{self.grpc_port}"

    def __repr__(self) -> str:
        grpc = f" and {self.endpoint_grpc}" if self._grpc is not None else ""
        return f"<nanospan.receiver.Receiver at {self.endpoint_http}{grpc}: {counted(self.stats().spans, 'span')}>"

    def stats(self) -> ReceiverStats:
        return self.store.stats()

    def stop(self) -> None:
        """Close both servers. Idempotent; the store stays readable."""
        self._http.stop()
        if self._grpc is not None:
            self._grpc.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
