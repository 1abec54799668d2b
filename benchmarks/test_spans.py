"""Encoding and ending ten-attribute spans, by contender. compare.py has the same interleaved, with ratios."""

from __future__ import annotations

import pytest
from common.contenders import CONTENDERS, ended_spans

ROUNDS = 40


@pytest.mark.benchmark(group="encode 512 spans")
@pytest.mark.parametrize("contender", ["stock", "nanospan"])
def test_encode(benchmark, contender):
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as reference
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    from nanospan import encode_spans

    spans = ended_spans(512)
    encode = {"stock": lambda: reference(spans).SerializeToString(), "nanospan": lambda: encode_spans(spans)}[contender]
    body = benchmark(encode)
    (resource_spans,) = ExportTraceServiceRequest.FromString(body).resource_spans
    assert len(resource_spans.scope_spans[0].spans) == 512


@pytest.mark.benchmark(group="on_end of 1000 spans, live export")
@pytest.mark.parametrize("contender", ["stock", "fastotel", "nanospan"])
def test_on_end(benchmark, receiver, contender):
    if contender == "fastotel":
        pytest.importorskip("fastotel")
    spans = ended_spans(1000)
    processor = CONTENDERS[contender](receiver.endpoint_http, max_queue_size=8192, max_export_batch_size=4096)
    before = receiver.stats()["spans"]

    def end_all() -> None:
        for span in spans:
            processor.on_end(span)

    # A flush before each round: what is dropped costs nothing and would look fast.
    benchmark.pedantic(end_all, setup=lambda: processor.force_flush(30_000) and None, rounds=ROUNDS, warmup_rounds=1)
    processor.shutdown()
    receiver.wait_for_spans(before + 1000 * (ROUNDS + 1), 10.0)
    assert receiver.stats()["spans"] - before == 1000 * (ROUNDS + 1)


@pytest.mark.benchmark(group="root decision, ratio 0.5")
@pytest.mark.parametrize("module", ["opentelemetry.sdk.trace.sampling", "nanospan.sampling"])
def test_root_decision(benchmark, module):
    sampling = pytest.importorskip(module)
    sampler = sampling.ParentBased(sampling.TraceIdRatioBased(0.5))
    kept = benchmark(sampler.should_sample, None, 2**63 - 1, "name", None, {"a": 1}, ())
    assert kept.decision.is_sampled()


@pytest.mark.benchmark(group="new span id")
@pytest.mark.parametrize("module", ["opentelemetry.sdk.trace.id_generator", "nanospan.ids"])
def test_span_id(benchmark, module):
    generator = pytest.importorskip(module).RandomIdGenerator()
    assert benchmark(generator.generate_span_id)
