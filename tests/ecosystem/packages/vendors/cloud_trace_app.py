"""Google's Cloud Trace exporter, before a server of the service that its client calls."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.cloud.trace_v2 import BatchWriteSpansRequest, TraceServiceClient
from google.cloud.trace_v2.services.trace_service.transports import TraceServiceGrpcTransport
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToJson
from opentelemetry import trace
from opentelemetry.exporter.cloud_trace import CloudTraceSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

received = []


def batch_write_spans(request, context):
    received.append(MessageToJson(BatchWriteSpansRequest.pb(request)))
    return Empty()


server = grpc.server(ThreadPoolExecutor(1))
method = grpc.unary_unary_rpc_method_handler(batch_write_spans, BatchWriteSpansRequest.deserialize, Empty.SerializeToString)
server.add_generic_rpc_handlers(
    (grpc.method_handlers_generic_handler("google.devtools.cloudtrace.v2.TraceService", {"BatchWriteSpans": method}),)
)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
channel = grpc.insecure_channel(f"127.0.0.1:{port}")
client = TraceServiceClient(transport=TraceServiceGrpcTransport(channel=channel))

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(CloudTraceSpanExporter(project_id="bird", client=client)))
trace.set_tracer_provider(provider)

from vendors.plain_app import work  # noqa: E402, F401


def finish() -> None:
    from urllib.request import Request, urlopen

    provider.force_flush()
    server.stop(5).wait()
    for body in received:
        urlopen(Request(os.environ["DESTINATION"] + "/v2/projects/bird/traces:batchWrite", body.encode())).close()
