"""The two transports behind one interface, for the tests of what both exporters must do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider as StockProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor as StockProcessor
from support.receivers import WAIT, GrpcReceiver, HttpReceiver, answer, partial_success


class Http:
    """OTLP over HTTP; a step is one of ``support.receivers``."""

    name = "http"

    def __init__(self) -> None:
        from nanospan.export.http import OTLPSpanExporter

        self.exporter_class: Any = OTLPSpanExporter
        self.accept = answer(200)
        self.refuse = answer(400)
        self.reject_one = answer(200, partial_success(1, ""))
        self.too_large = answer(413)
        self.wait_long = answer(503, Retry_After="3000")

    def receiver(self, *script: Any) -> AbstractContextManager[Any]:
        return HttpReceiver(list(script or [self.accept]))

    def exporter(self, receiver: Any, **arguments: Any) -> Any:
        return self.exporter_class(receiver.url, **({"timeout": WAIT} | arguments))

    def bodies(self, receiver: Any) -> list[bytes]:
        return [request.raw for request in receiver.requests]

    def headers(self, receiver: Any) -> dict[str, str]:
        return receiver.requests[0].headers

    def official(self) -> tuple[Any, set[str]]:
        """The official exporter's class, and the parameters that nanospan's leaves out."""
        module = pytest.importorskip(
            "opentelemetry.exporter.otlp.proto.http.trace_exporter",
            reason="opentelemetry-exporter-otlp-proto-http is not installed",
        )
        return module.OTLPSpanExporter, {"session", "_transport"}


class Grpc:
    """OTLP over gRPC; a step is a function ``(request, context) -> response``."""

    name = "grpc"

    def __init__(self) -> None:
        grpc = pytest.importorskip("grpc", reason="grpcio is not installed (the extra grpc)")
        pytest.importorskip("google.rpc.status_pb2", reason="googleapis-common-protos is not installed (the extra grpc)")
        from google.rpc.error_details_pb2 import RetryInfo
        from support.grpc_steps import accept, fail

        from nanospan.export.grpc import OTLPSpanExporter

        delay = RetryInfo()
        delay.retry_delay.seconds = 3000
        trailing = (("google.rpc.retryinfo-bin", delay.SerializeToString()),)
        self.exporter_class: Any = OTLPSpanExporter
        self.accept = accept
        self.refuse = fail(grpc.StatusCode.INTERNAL)
        self.reject_one: Callable[..., bytes] = lambda body, context: partial_success(1, "")
        self.too_large = fail(grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.wait_long = fail(grpc.StatusCode.UNAVAILABLE, trailing=trailing)

    def receiver(self, *script: Any) -> AbstractContextManager[Any]:
        return GrpcReceiver(*script)

    def exporter(self, receiver: Any, **arguments: Any) -> Any:
        return self.exporter_class(receiver.target, **({"timeout": WAIT, "insecure": True} | arguments))

    def bodies(self, receiver: Any) -> list[bytes]:
        return receiver.bodies

    def headers(self, receiver: Any) -> dict[str, str]:
        return receiver.metadata[0]

    def official(self) -> tuple[Any, set[str]]:
        module = pytest.importorskip(
            "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
            reason="opentelemetry-exporter-otlp-proto-grpc is not installed",
        )
        return module.OTLPSpanExporter, set()


WAYS = ["native", "behind stock", "adopted"]
"""nanospan's provider, processor and exporter; its exporter behind the SDK's provider and processor; an official exporter
that nanospan's processor adopts.
"""


class Pipeline:
    """A provider, a processor and an exporter of ``transport``, combined in one of `WAYS`. ``arguments`` are those of the
    exporter.
    """

    def __init__(self, way: str, transport: Http | Grpc, **arguments: Any) -> None:
        import nanospan

        exporter = (transport.official()[0] if way == "adopted" else transport.exporter_class)(**arguments)
        stock = way == "behind stock"
        self.processor: Any = StockProcessor(exporter) if stock else nanospan.BatchSpanProcessor(exporter)
        self.provider: Any = StockProvider() if stock else nanospan.TracerProvider()
        self.provider.add_span_processor(self.processor)
        self._tracer = self.provider.get_tracer("pipeline")
        self.sent = 0

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *exc: object) -> None:
        self.provider.shutdown()

    def send(self, text: str = "") -> None:
        """Send one batch of one span, and wait for its outcome."""
        span = self._tracer.start_span(f"s{self.sent}")
        if text:
            span.set_attribute("text", text)
        span.end()
        self.sent += 1
        self.processor.force_flush(int(WAIT * 1000))

    def check_account(self, acknowledged: int) -> None:
        """Check the account of nanospan's processor: ``acknowledged`` spans of those sent, and each of them once."""
        import nanospan

        if isinstance(self.processor, nanospan.BatchSpanProcessor):
            stats: Any = self.processor.stats()
            assert stats["exported"] == acknowledged
            assert stats["ended"] == self.sent == stats["exported"] + sum(stats["dropped"].values()) + stats["rejected"]


TRANSPORTS: dict[str, type[Http | Grpc]] = {"http": Http, "grpc": Grpc}
