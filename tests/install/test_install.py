"""`nanospan.install` in one process: what it replaces, renews, leaves and undoes."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
from opentelemetry import propagate, trace
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import export, sampling
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from support.sdk_releases import has

import nanospan
from nanospan._install.names import OWN, PICKLED

pytestmark = pytest.mark.thread_unsafe(reason="changes modules of the SDK")

STOCK = {name: getattr(import_module(name[0]), name[1]) for name in OWN}
CLASSES = {name: own for name, own in OWN.items() if isinstance(own, type)}


def found(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


def sdk_names() -> dict[tuple[str, str], int]:
    """What every variable of the API and the SDK refers to."""
    return {
        (module_name, name): id(value)
        for module_name, module in list(sys.modules.items())
        if module_name.startswith("opentelemetry") and isinstance(module, ModuleType)
        for name, value in vars(module).items()
        # The API's own variables, which are set.
        if name not in ("_HTTP_TEXT_FORMAT", "propagators")
    }


def make_stock() -> dict[str, Any]:
    """An object of each class, made by the SDK, with what it shows of itself."""
    context = SpanContext(5, 6, True, trace.TraceFlags(1))
    provider = STOCK["opentelemetry.sdk.trace", "TracerProvider"](shutdown_on_exit=False)
    tracer = provider.get_tracer("earlier")
    of = {name: STOCK[name] for name in STOCK}
    module = "opentelemetry.sdk.trace.sampling"
    ratio = of[module, "TraceIdRatioBased"](0.25)
    return {
        "TracerProvider": provider,
        "Tracer": tracer,
        "_Span": tracer.start_span("earlier"),
        "BatchSpanProcessor": of["opentelemetry.sdk.trace.export", "BatchSpanProcessor"](InMemorySpanExporter()),
        **({"AlwaysRecordSampler": of[module, "AlwaysRecordSampler"](ratio)} if has("AlwaysRecordSampler") else {}),
        "ParentBased": of[module, "ParentBased"](ratio, local_parent_sampled=of[module, "ALWAYS_OFF"]),
        "ParentBasedTraceIdRatio": of[module, "ParentBasedTraceIdRatio"](0.75),
        "StaticSampler": of[module, "ALWAYS_ON"],
        "TraceIdRatioBased": ratio,
        "NonRecordingSpan": of["opentelemetry.trace.span", "NonRecordingSpan"](context),
        "TraceContextTextMapPropagator": of[
            "opentelemetry.trace.propagation.tracecontext", "TraceContextTextMapPropagator"
        ](),
    }


def left_of(installation: Any, *packages: str) -> list[str]:
    """What is left in ``packages``. Other modules of the tests mean the SDK's classes, and keep them."""
    return [name for name in installation.left if name.startswith(packages)]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Makes a loaded module with these variables."""

    def make(name: str, **variables: Any) -> ModuleType:
        made = ModuleType(name)
        vars(made).update(variables)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    return make


@pytest.fixture
def global_provider(monkeypatch: pytest.MonkeyPatch) -> Any:
    provider = STOCK["opentelemetry.sdk.trace", "TracerProvider"](shutdown_on_exit=False)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    return provider


def test_every_name_and_back() -> None:
    before, members = sdk_names(), propagate.get_global_textmap()
    installation = nanospan.install()
    try:
        assert {name: found(*name) for name in OWN} == OWN
        assert set(installation.replaced) == {".".join(name) for name in OWN}
        assert not left_of(installation, "opentelemetry")
        # The name that applications import it by.
        assert trace.NonRecordingSpan is nanospan.NonRecordingSpan
        assert sampling._get_from_env_or_default() is nanospan.sampling.DEFAULT_ON
        assert any(type(member) is TraceContextTextMapPropagator for member in members._propagators)
        assert all(
            type(member) is not TraceContextTextMapPropagator for member in propagate.get_global_textmap()._propagators
        )
    finally:
        installation.undo()
    assert sdk_names() == before
    assert propagate.get_global_textmap() is members
    assert not installation.active
    installation.undo()
    assert sdk_names() == before


def test_twice_is_once() -> None:
    with nanospan.install() as installation:
        names, report = sdk_names(), str(installation)
        assert nanospan.install() is installation
        assert (sdk_names(), str(installation)) == (names, report)
        assert "opentelemetry.sdk.trace.TracerProvider" in report
    with nanospan.install() as other:
        assert other is not installation
        assert len(other.replaced) == len(OWN)


def test_references_in_loaded_modules(module: Callable[..., ModuleType]) -> None:
    variables = {"Provider": STOCK["opentelemetry.sdk.trace", "TracerProvider"], "default": sampling.DEFAULT_ON}
    known, own, other = (module(name, **variables) for name in ("logfire.loaded", "application.loaded", "other.loaded"))
    with nanospan.install(packages=("application",)) as installation:
        for renewed in (known, own):
            assert (renewed.Provider, renewed.default) == (nanospan.TracerProvider, nanospan.sampling.DEFAULT_ON)
        assert {"logfire.loaded.Provider", "application.loaded.default"} <= set(installation.renewed)
        assert vars(other).items() >= variables.items()
        assert "packages=" in installation.left["other.loaded.Provider"]

        later = module("langfuse.loaded_later", Provider=variables["Provider"])
        nanospan.install(packages=["other"])
        assert later.Provider is other.Provider is nanospan.TracerProvider
        assert not left_of(installation, "logfire", "application", "other", "langfuse")
        own.default = "changed meanwhile"
    for renewed in (known, other):
        assert vars(renewed).items() >= variables.items()
    assert own.default == "changed meanwhile"


@pytest.mark.parametrize("name", CLASSES, ids=lambda name: name[1])
def test_isinstance_holds_both_ways(name: tuple[str, str]) -> None:
    stock, own, earlier = STOCK[name], CLASSES[name], make_stock()[name[1]]
    assert isinstance(earlier, stock) and issubclass(own, stock.__mro__[1] if name[1] == "_Span" else stock)
    assert not isinstance(earlier, own)

    class Derived(own): ...

    with nanospan.install():
        assert isinstance(earlier, found(*name)) and issubclass(stock, found(*name))
        assert not isinstance(earlier, Derived) and not issubclass(stock, Derived)
        assert not isinstance(object(), found(*name))
    assert not isinstance(earlier, own)
    assert not issubclass(stock, own)


PICKLES = [name[1] for name, own in CLASSES.items() if own in PICKLED]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", PICKLES)
def test_pickles_of_before_load_after(name: str, protocol: int) -> None:
    earlier = make_stock()[name]
    before = pickle.dumps(earlier, protocol)
    with nanospan.install():
        made = found(*next(key for key in OWN if key[1] == name))
        for loaded in (pickle.loads(before), pickle.loads(pickle.dumps(earlier, protocol)), copy.deepcopy(earlier)):
            assert type(loaded) is made
            assert described(loaded) == described(earlier)
        during = pickle.dumps(loaded, protocol)
    assert described(pickle.loads(during)) == described(earlier)


def described(made: Any) -> Any:
    if isinstance(made, sampling.Sampler):
        ids = [number << 56 for number in range(1, 256)]
        return made.get_description(), [made.should_sample(None, one, "name").decision for one in ids]
    if isinstance(made, NonRecordingSpan):
        return made.get_span_context()
    return made.fields if hasattr(made, "fields") else None


def test_a_provider_derived_earlier(module: Callable[..., ModuleType]) -> None:
    stock = STOCK["opentelemetry.sdk.trace", "TracerProvider"]

    class Provider(stock):
        __module__ = "phoenix.loaded"

    class Other(stock):
        __module__ = "unknown.loaded"

    earlier = Provider(shutdown_on_exit=False)
    with nanospan.install() as installation:
        for provider in (earlier, Provider(shutdown_on_exit=False)):
            assert isinstance(provider, nanospan.TracerProvider)
            assert type(provider.get_tracer("t")) is nanospan.Tracer
        assert f"phoenix.loaded.{Provider.__qualname__}" in installation.renewed
        assert "packages=" in installation.left[f"unknown.loaded.{Other.__qualname__}"]
    assert Provider.__bases__ == (stock,)


def test_a_processor_derived_earlier_is_reported() -> None:
    class Processor(STOCK["opentelemetry.sdk.trace.export", "BatchSpanProcessor"]):
        __module__ = "langfuse.loaded"

    with nanospan.install() as installation:
        assert "derives" in installation.left[f"langfuse.loaded.{Processor.__qualname__}"]


def test_the_global_provider_becomes_nanospans(global_provider: Any) -> None:
    exporter = InMemorySpanExporter()
    global_provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    earlier = trace.get_tracer("t")
    with nanospan.install() as installation:
        assert trace.get_tracer_provider() is global_provider
        assert type(global_provider) is nanospan.TracerProvider
        assert "the global provider" in installation.renewed
        assert any("1 tracer " in name for name in installation.left)
        spans = [tracer.start_span(f"span {number}") for number, tracer in enumerate((earlier, trace.get_tracer("t")))]
        assert type(spans[1]) is nanospan.Span
        for span in spans:
            span.end()
        assert [span.name for span in exporter.get_finished_spans()] == ["span 0", "span 1"]
    assert type(global_provider) is STOCK["opentelemetry.sdk.trace", "TracerProvider"]
    trace.get_tracer("t").start_span("after").end()
    assert exporter.get_finished_spans()[-1].name == "after"


def test_a_global_provider_of_another_kind_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    class Provider(trace.NoOpTracerProvider): ...

    monkeypatch.setattr(trace, "_TRACER_PROVIDER", Provider())
    with nanospan.install() as installation:
        assert Provider.__qualname__ in installation.left["the global provider"]


@pytest.mark.parametrize("name", OWN, ids=lambda name: ".".join(name))
def test_what_others_have_put_there_stays(monkeypatch: pytest.MonkeyPatch, name: tuple[str, str]) -> None:
    theirs = type("Theirs", (STOCK[name],), {}) if name in CLASSES else object()
    monkeypatch.setattr(import_module(name[0]), name[1], theirs)
    with nanospan.install() as installation:
        assert found(*name) is theirs
        assert "stands there" in installation.left[".".join(name)]
        assert len(installation.replaced) == len(OWN) - 1
    assert found(*name) is theirs


def test_a_method_that_others_have_replaced_keeps_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    stock, calls = STOCK["opentelemetry.sdk.trace", "TracerProvider"], []
    original = stock.get_tracer

    def get_tracer(self: Any, *arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        return original(self, *arguments, **named)

    get_tracer.__module__ = original.__module__  # as functools.wraps does
    monkeypatch.setattr(stock, "get_tracer", get_tracer)
    with nanospan.install() as installation:
        assert sdk.TracerProvider is stock
        assert "get_tracer" in installation.left["opentelemetry.sdk.trace.TracerProvider"]
        assert type(sdk.TracerProvider(shutdown_on_exit=False).get_tracer("t")) is nanospan.Tracer
        assert calls == [("t",)]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_exporters_by_choice(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    official = pytest.importorskip(f"opentelemetry.exporter.otlp.proto.{protocol}.trace_exporter")
    stock = official.OTLPSpanExporter
    with nanospan.install():
        assert official.OTLPSpanExporter is stock
        with nanospan.install(exporters=True) as installation:
            assert f"{official.__name__}.OTLPSpanExporter" in installation.replaced
            made = official.OTLPSpanExporter(timeout=1)
            assert type(made).__module__ == f"nanospan.export.{protocol}"
            assert isinstance(made, official.OTLPSpanExporter) and isinstance(stock(), official.OTLPSpanExporter)
            assert issubclass(stock, official.OTLPSpanExporter) and not isinstance(3, official.OTLPSpanExporter)

            class Derived(official.OTLPSpanExporter):
                def export(self, spans):
                    return super().export(spans)

            assert Derived.__bases__ == (stock,) and isinstance(Derived(), official.OTLPSpanExporter)
            if protocol == "http":
                requests = pytest.importorskip("requests")
                assert type(official.OTLPSpanExporter(session=requests.Session())) is stock
                # The official class looks its credentials up, and refuses a provider that is not installed.
                monkeypatch.setenv("OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER", "missing")
                with pytest.raises(RuntimeError, match="missing"):
                    official.OTLPSpanExporter()
            made.shutdown()
        assert official.OTLPSpanExporter is stock


@pytest.mark.parametrize(
    ("arguments", "named"),
    [({"exporters": 1}, "exporters"), ({"packages": "logfire"}, "packages"), ({"packages": (3,)}, "packages")],
)
def test_refused_arguments(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(TypeError, match=named):
        nanospan.install(**arguments)
    assert sdk.TracerProvider is STOCK["opentelemetry.sdk.trace", "TracerProvider"]


@pytest.mark.parametrize(
    ("value", "installs"), [("true", True), (" TRUE ", True), ("1", True), ("false", False), ("", False), (None, False)]
)
def test_the_variable(monkeypatch: pytest.MonkeyPatch, value: str | None, installs: bool) -> None:
    from nanospan._install import install_if_asked_for

    monkeypatch.delenv("OTEL_PYTHON_NANOSPAN_INSTALL", raising=False)
    if value is not None:
        monkeypatch.setenv("OTEL_PYTHON_NANOSPAN_INSTALL", value)
    install_if_asked_for()
    try:
        assert (sdk.TracerProvider is nanospan.TracerProvider) is installs
    finally:
        if installs:
            nanospan.install().undo()
    assert sdk.TracerProvider is not nanospan.TracerProvider


def test_the_doctor_tells_the_sdks_objects_from_nanospans() -> None:
    """`isinstance` does not, after the installation."""
    provider = STOCK["opentelemetry.sdk.trace", "TracerProvider"](shutdown_on_exit=False)
    batch = STOCK["opentelemetry.sdk.trace.export", "BatchSpanProcessor"](InMemorySpanExporter())
    provider.add_span_processor(batch)
    with nanospan.install():
        report = nanospan.doctor(provider)
    provider.shutdown()
    assert report.provider["class"] == "opentelemetry.TracerProvider"
    assert [one["class"] for one in report.processors] == ["opentelemetry.BatchSpanProcessor"]
    assert any("its spans are objects of Python" in finding.says for finding in report.findings)
