"""nanospan's classes assigned in place of the SDK's, for libraries that construct the SDK's own: any, at any time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support.sdk_releases import has

import nanospan
import nanospan.propagation
import nanospan.sampling
import nanospan.trace
from nanospan._compat.stock import AlwaysRecordSampler, stock_class
from nanospan.sampling import Rule, RuleBased
from nanospan.sampling._sdk import native_sampler

pytestmark = pytest.mark.thread_unsafe(reason="changes modules of the SDK")

TRACE, SAMPLING, EXPORT = "opentelemetry.sdk.trace", "opentelemetry.sdk.trace.sampling", "opentelemetry.sdk.trace.export"
OWN: dict[tuple[str, str], Any] = {
    (TRACE, "TracerProvider"): nanospan.TracerProvider,
    (TRACE, "Tracer"): nanospan.Tracer,
    (TRACE, "Span"): nanospan.Span,
    (TRACE, "_Span"): nanospan.Span,
    (TRACE, "RandomIdGenerator"): nanospan.RandomIdGenerator,
    (f"{TRACE}.id_generator", "RandomIdGenerator"): nanospan.RandomIdGenerator,
    (EXPORT, "BatchSpanProcessor"): nanospan.BatchSpanProcessor,
    (EXPORT, "SimpleSpanProcessor"): nanospan.BatchSpanProcessor,
    **{
        (SAMPLING, name): getattr(nanospan.sampling, name)
        for name in (
            *("ALWAYS_OFF", "ALWAYS_ON", "DEFAULT_OFF", "DEFAULT_ON", "AlwaysRecordSampler", "ParentBased"),
            *("ParentBasedTraceIdRatio", "StaticSampler", "TraceIdRatioBased"),
        )
    },
    ("opentelemetry.trace", "NonRecordingSpan"): nanospan.trace.NonRecordingSpan,
    ("opentelemetry.trace.propagation.tracecontext", "TraceContextTextMapPropagator"): (
        nanospan.propagation.TraceContextTextMapPropagator
    ),
}
"""What of nanospan's can stand under which name of which module."""
if not has("AlwaysRecordSampler"):
    del OWN[SAMPLING, "AlwaysRecordSampler"]

STOCK = {name: getattr(import_module(name[0]), name[1]) for name in OWN}
Names = Iterable[tuple[str, str]]


@contextmanager
def in_place(names: Names) -> Iterator[None]:
    names = list(names)
    for module, name in names:
        setattr(import_module(module), name, OWN[module, name])
    try:
        yield
    finally:
        for module, name in names:
            setattr(import_module(module), name, STOCK[module, name])


def found(module: str, name: str) -> Any:
    """What a library finds under a name now."""
    return getattr(import_module(module), name)


def record(provider: Any) -> list[str]:
    """The names of the spans that a processor of the SDK's name exports; one is the child of a remote parent."""
    exporter = InMemorySpanExporter()
    processor = found(EXPORT, "BatchSpanProcessor")(exporter)
    provider.add_span_processor(processor)
    check_spans(provider.get_tracer("name"))
    assert provider.force_flush()
    provider.shutdown()
    return [span.name for span in exporter.get_finished_spans()]


def check_spans(tracer: Any) -> None:
    propagator = found("opentelemetry.trace.propagation.tracecontext", "TraceContextTextMapPropagator")()
    with tracer.start_as_current_span("parent", Context(), attributes={"a": 1}) as parent:
        carrier: dict[str, str] = {}
        propagator.inject(carrier)
        assert carrier["traceparent"][36:52] == f"{parent.get_span_context().span_id:016x}"
        parent.add_event("event")
    child = tracer.start_span("child", propagator.extract(carrier))
    assert child.get_span_context().trace_id == parent.get_span_context().trace_id
    child.record_exception(ValueError())
    child.end()


def samplers() -> dict[str, Any]:
    """Samplers that keep everything, as a library makes them."""
    of = {name: found(SAMPLING, name) for module, name in OWN if module == SAMPLING}
    return {
        "always": of["ALWAYS_ON"],
        "default": of["DEFAULT_ON"],
        "static": of["StaticSampler"](of["ALWAYS_ON"].should_sample(None, 1, "").decision),
        "ratio": of["TraceIdRatioBased"](1.0),
        "parent": of["ParentBased"](of["TraceIdRatioBased"](rate=1.0)),
        "parent ratio": of["ParentBasedTraceIdRatio"](1.0),
        "record": of.get("AlwaysRecordSampler", AlwaysRecordSampler)(
            of["ParentBased"](of["ALWAYS_ON"], local_parent_not_sampled=of["ALWAYS_OFF"])
        ),
        "rules": RuleBased([Rule(name="x", sampler=of["ALWAYS_OFF"], external=True)], default=of["DEFAULT_ON"]),
        "none": None,
    }


def dropping_samplers() -> dict[str, Any]:
    of = {name: found(SAMPLING, name) for module, name in OWN if module == SAMPLING}
    return {
        "never": of["ALWAYS_OFF"],
        "default": of["DEFAULT_OFF"],
        "ratio": of["TraceIdRatioBased"](0.0),
        "record": of.get("AlwaysRecordSampler", AlwaysRecordSampler)(of["ALWAYS_OFF"]),
    }


def check_everything() -> None:
    before_samplers, provider_class = samplers(), found(TRACE, "TracerProvider")
    for name, sampler in before_samplers.items():
        assert record(provider_class(sampler, shutdown_on_exit=False)) == ["parent", "child"], name
        if sampler is not None:
            sampler.get_description()
            if name != "record":  # the SDK's has no native equivalent
                assert native_sampler(sampler) is not None, name
    for name, sampler in dropping_samplers().items():
        assert record(provider_class(sampler, shutdown_on_exit=False)) == [], name
    generator = found(TRACE, "RandomIdGenerator")()
    assert generator.generate_trace_id() and generator.generate_span_id()


@pytest.mark.parametrize("first", OWN, ids=lambda name: ".".join(name))
def test_any_two_names(first: tuple[str, str]) -> None:
    """Alone and with each other, for providers and tracers made before and after."""
    for second in OWN:
        earlier = [
            provider(shutdown_on_exit=False) for provider in (STOCK[TRACE, "TracerProvider"], nanospan.TracerProvider)
        ]
        tracers = [provider.get_tracer("earlier") for provider in earlier]
        with in_place({first, second}):
            check_everything()
            for tracer, provider in zip(tracers, earlier, strict=True):
                check_spans(tracer)
                check_spans(provider.get_tracer("later"))
        check_spans(earlier[0].get_tracer("last"))


def test_all_names_and_all_but_one() -> None:
    for left_out in (None, *OWN):
        with in_place(name for name in OWN if name != left_out):
            check_everything()


@pytest.mark.parametrize("left_out", [None, *OWN], ids=lambda name: "none" if name is None else ".".join(name))
def test_after_install(left_out: tuple[str, str] | None) -> None:
    """All names, and all but one, which another package has put back."""
    with nanospan.install():
        if left_out is not None:
            setattr(import_module(left_out[0]), left_out[1], STOCK[left_out])
        check_everything()
    assert {name: getattr(import_module(name[0]), name[1]) for name in OWN} == STOCK


def test_stock_samplers_are_known_under_whatever_stands_in_their_place() -> None:
    made = [STOCK[SAMPLING, "ALWAYS_ON"], STOCK[SAMPLING, "DEFAULT_ON"], STOCK[SAMPLING, "TraceIdRatioBased"](0.5)]
    with in_place(OWN):
        again = [*made, STOCK[SAMPLING, "ParentBased"](made[2]), STOCK[SAMPLING, "ParentBasedTraceIdRatio"](0.5)]
        assert all(native_sampler(sampler) is not None for sampler in again)
        Rule(name="x", sampler=STOCK[SAMPLING, "ALWAYS_OFF"], external=True)


def test_the_class_behind_nanospans() -> None:
    for name, own in OWN.items():
        if isinstance(own, type):
            assert stock_class(own).__module__.startswith("opentelemetry.")
            assert stock_class(STOCK[name]) is STOCK[name]
    assert stock_class(nanospan.TracerProvider) is STOCK[TRACE, "TracerProvider"]
    assert stock_class(trace.NonRecordingSpan) is trace.NonRecordingSpan


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_an_official_exporter_is_known_under_whatever_stands_in_its_place(
    monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    module = f"opentelemetry.exporter.otlp.proto.{protocol}.trace_exporter"
    official = pytest.importorskip(module, reason=f"the official exporter over {protocol} is not installed")
    stock = official.OTLPSpanExporter(timeout=1)
    own = import_module(f"nanospan.export.{protocol}").OTLPSpanExporter
    monkeypatch.setattr(official, "OTLPSpanExporter", own)
    from nanospan.processor._export_adapter import BytesExport, export_adapter_for
    from nanospan.processor._settings import resolve_settings

    settings = resolve_settings(None, None, None, None, None)
    for exporter in (stock, official.OTLPSpanExporter(timeout=1)):
        adapter = export_adapter_for(exporter, settings)
        assert isinstance(adapter, BytesExport)
        adapter.shutdown(1000)


SCRIPT = """
import sys
from importlib import import_module
import nanospan, nanospan.sampling, nanospan.trace

def put_in_place():
    for module, name in NAMES:
        own = getattr(nanospan.trace, "Span" if name == "_Span" else name, None) or getattr(nanospan, name, None)
        setattr(import_module(module), name, own or getattr(nanospan.sampling, name))

put_in_place()
if "again" in sys.argv:
    for name in [name for name in sys.modules if name.partition(".")[0] == "nanospan"]:
        del sys.modules[name]
    import nanospan, nanospan.sampling, nanospan.trace
    put_in_place()

import nanospan.propagation, nanospan.export.http, nanospan.tail
from opentelemetry.trace.propagation import tracecontext
tracecontext.TraceContextTextMapPropagator = nanospan.propagation.TraceContextTextMapPropagator
from opentelemetry import propagate, trace
import nanospan.configurator
nanospan.configurator.Configurator().configure()
from opentelemetry.sdk.trace import TracerProvider
provider = trace.get_tracer_provider()
assert type(provider) is nanospan.TracerProvider, type(provider)
for made in (provider, TracerProvider()):
    with made.get_tracer("name").start_as_current_span("span") as span:
        carrier = {}
        propagate.inject(carrier)
    assert type(span) is nanospan.Span and len(carrier["traceparent"]) == 55
    assert span.get_span_context().trace_id == int(carrier["traceparent"][3:35], 16)
members = propagate.get_global_textmap()._propagators
assert type(members[0]) is nanospan.propagation.TraceContextTextMapPropagator, members
print("fine")
"""


@pytest.mark.slow("starts processes")
@pytest.mark.parametrize("again", [(), ("again",)], ids=["late imports", "imported again"])
def test_before_the_first_tracer(again: tuple[str, ...]) -> None:
    """Modules of nanospan that are imported when its classes stand in place already; all of it, imported a second time."""
    names = [
        (module, name)
        for module, name in OWN
        if "propagation" not in module and name not in ("SimpleSpanProcessor", "NonRecordingSpan")
    ]
    run = subprocess.run(
        [sys.executable, "-c", f"NAMES = {names!r}\n{SCRIPT}", *again],
        env={"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"},
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "fine\n", "")
