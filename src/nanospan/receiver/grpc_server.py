"""OTLP/gRPC over grpcio, which is optional: importing this module without it raises ModuleNotFoundError."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from nanospan.receiver.store import TraceStore

__all__ = ["OtlpGrpcServer"]

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
MAX_MESSAGE_BYTES = 64 << 20

_SUCCESS: bytes = ExportTraceServiceResponse().SerializeToString()


class OtlpGrpcServer:
    """Listens on ``host:port`` (port 0: any free one), plaintext, and hands accepted requests to ``store``.

    Raises OSError when the address cannot be bound.
    """

    def __init__(self, address: tuple[str, int], store: TraceStore, *, threads: int = 4) -> None:
        self._store = store
        host, port = address
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if port:
            # First without grpcio, which writes to standard error if it cannot bind.
            try:
                socket.create_server(address, family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
            except OSError as error:
                raise OSError(f"cannot listen on {target}") from error
        self._server = grpc.server(
            ThreadPoolExecutor(threads, thread_name_prefix="nanospan-receiver-grpc"),
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                # Two receivers on one port would each count half.
                ("grpc.so_reuseport", 0),
            ],
        )
        # No (de)serialisers: the body stays bytes, so that its size is known before it is parsed.
        export = grpc.unary_unary_rpc_method_handler(self._export)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {"Export": export}),)
        )
        try:
            self.port: int = self._server.add_insecure_port(target)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {target}") from error
        if self.port == 0:
            raise OSError(f"cannot listen on {target}")

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        """Stop listening and end the calls under way."""
        self._server.stop(grace=None).wait()

    def _export(self, body: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            self._store.add(body, transport="grpc")
        except DecodeError:
            self._store.add_refused()
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the message is no ExportTraceServiceRequest")
        return _SUCCESS
