"""OTLP/gRPC over grpcio, which is optional: importing this module without it raises ModuleNotFoundError."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from nanospan.receiver.intake import Intake

__all__ = ["OtlpGrpcServer"]

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
MAX_MESSAGE_BYTES = 64 << 20

_SUCCESS: bytes = ExportTraceServiceResponse().SerializeToString()


class OtlpGrpcServer:
    """Listens on ``host:port`` (port 0: any free one), plaintext, and hands what it reads to ``intake``.

    Raises OSError when the address cannot be bound.
    """

    def __init__(self, address: tuple[str, int], intake: Intake, *, threads: int = 4) -> None:
        self._intake = intake
        _check_free(address)
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
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Export": export}),))
        target = _target(address)
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
            self._intake.take_protobuf(body, transport="grpc")
        except DecodeError:
            self._intake.store.add_refused()
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the message is no ExportTraceServiceRequest")
        return _SUCCESS


def _target(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _check_free(address: tuple[str, int]) -> None:
    """Raise OSError, with its cause, when none of the addresses of a host and port can be bound.

    grpcio, asked first, would write lines of its own to standard error, and say no cause.
    """
    host, port = address
    if not port:
        return
    failure: OSError | None = None
    try:
        for family, kind, protocol, _, found in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            try:
                with socket.socket(family, kind, protocol) as probe:
                    # As grpcio's: connections that linger from before do not take the port.
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(found)
                return
            except OSError as error:
                failure = failure or error
    except OSError as error:
        failure = error
    if failure is not None:
        raise OSError(f"cannot listen on {_target(address)}: {failure.strerror or failure}") from failure
