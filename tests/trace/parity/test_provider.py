"""The provider: constructor, attributes, tracers and their configurator, being switched off, forking."""

from __future__ import annotations

import inspect
import json
import logging
import os
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    SpanLimits,
    SynchronousMultiSpanProcessor,
    TracerProvider,
    sampling,
)
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, NoOpTracer, SpanContext, TraceFlags, set_span_in_context
from support.parity.implementation import Implementation
from support.parity.pipeline import CountingIds, Recorder

# --- the constructor --------------------------------------------------------------------------------------------------


def test_what_is_made_by_default(implementation: Implementation) -> None:
    provider = implementation.provider_class()
    try:
        assert isinstance(provider, TracerProvider)
        assert provider.sampler.get_description() == sampling.DEFAULT_ON.get_description()
        assert isinstance(provider.resource, Resource)
        assert isinstance(provider.id_generator, RandomIdGenerator | IdGenerator)
        assert isinstance(provider._active_span_processor, SynchronousMultiSpanProcessor)
        assert provider._active_span_processor._span_processors == ()
        assert isinstance(provider._span_limits, SpanLimits)
        assert provider._tracers == {}
        assert provider._disabled is False
        assert provider._atexit_handler is not None
    finally:
        provider.shutdown()
    assert provider._atexit_handler is None


def test_what_is_given_is_kept(implementation: Implementation) -> None:
    resource, limits, ids, composite = Resource({}), SpanLimits(), CountingIds(), SynchronousMultiSpanProcessor()
    provider = implementation.provider_class(sampling.ALWAYS_OFF, resource, False, composite, ids, limits)
    assert provider.sampler is sampling.ALWAYS_OFF
    assert provider.resource is resource
    assert provider._active_span_processor is composite
    assert provider.id_generator is ids
    assert provider._span_limits is limits
    assert provider._atexit_handler is None


def test_the_signature(implementation: Implementation) -> None:
    """Subclasses in the wild read it, and pass on what they find."""
    own, stock = (inspect.signature(cls).parameters for cls in (implementation.provider_class, TracerProvider))
    assert list(own) == list(stock)
    assert [(one.default, one.kind) for one in own.values()] == [(one.default, one.kind) for one in stock.values()]


def test_a_subclass_that_reads_the_signature(implementation: Implementation) -> None:
    class Subclass(implementation.provider_class):  # type: ignore[name-defined, misc]
        def __init__(self, *args: Any, own: str, **kwargs: Any) -> None:
            signature = inspect.signature(implementation.provider_class)
            bound = signature.bind_partial(*args, **kwargs)
            bound.apply_defaults()
            bound.arguments["resource"] = Resource({"own": own})
            bound.arguments["shutdown_on_exit"] = False
            super().__init__(*bound.args, **bound.kwargs)

        def add_span_processor(self, span_processor: Any, replace: bool = True) -> None:
            if replace:
                self._active_span_processor._span_processors = ()
            super().add_span_processor(span_processor)

        def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
            return super().get_tracer(*args, **kwargs)

    provider = Subclass(own="resource")
    first, second = Recorder(), Recorder()
    provider.add_span_processor(first)
    tracer = provider.get_tracer("name")
    provider.add_span_processor(second)
    tracer.start_span("span").end()
    assert len(first.ended) == 0
    assert [span.resource.attributes["own"] for span in second.ended] == ["resource"]


@pytest.mark.parametrize("value", ["true", "True", " TRUE "])
def test_switched_off(implementation: Implementation, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The variable is read when the provider is made."""
    before = implementation.provider()
    monkeypatch.setenv("OTEL_SDK_DISABLED", value)
    provider = implementation.provider()
    monkeypatch.delenv("OTEL_SDK_DISABLED")
    assert provider._disabled
    assert type(provider.get_tracer("name")) is NoOpTracer
    assert isinstance(before.get_tracer("name"), implementation.tracer_class)


@pytest.mark.parametrize("value", ["", "false", "1", "yes"])
def test_not_switched_off(implementation: Implementation, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", value)
    assert isinstance(implementation.provider().get_tracer("name"), implementation.tracer_class)


@pytest.mark.parametrize(
    ("name", "argument", "description"),
    [
        ("always_on", None, "AlwaysOnSampler"),
        ("ALWAYS_OFF", None, "AlwaysOffSampler"),
        ("traceidratio", "0.25", "TraceIdRatioBased{0.25}"),
        ("parentbased_traceidratio", "0.5", "ParentBased{root:TraceIdRatioBased{0.5}"),
        ("unknown", None, "ParentBased{root:AlwaysOnSampler"),
        ("traceidratio", "much", "TraceIdRatioBased{1.0}"),
    ],
)
def test_the_sampler_of_the_environment(
    implementation: Implementation, monkeypatch: pytest.MonkeyPatch, name: str, argument: str | None, description: str
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    if argument is not None:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    assert implementation.provider().sampler.get_description().startswith(description)


def test_limits_of_the_environment(implementation: Implementation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_ATTRIBUTE_COUNT_LIMIT", "3")
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "2")
    monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "0")
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1")
    span = implementation.tracer().start_span("span", attributes=dict.fromkeys("abcd", "long"))
    span.add_event("event")
    span.add_link(SpanContext(1, 2, True), dict.fromkeys("abcd", "long"))
    assert dict(span.attributes) == {"c": "l", "d": "l"}
    assert (span.dropped_attributes, span.dropped_events, span.links[0].dropped_attributes) == (2, 1, 1)
    assert dict(span.links[0].attributes) == {"b": "l", "c": "l", "d": "l"}


@pytest.mark.parametrize("value", ["-1", "many"])
def test_a_wrong_limit(implementation: Implementation, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The SDK's application does not start, nanospan's has the default."""
    monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", value)
    if implementation.name == "native":
        assert implementation.provider()._span_limits.max_events == 128
        return
    with pytest.raises(ValueError, match="OTEL_SPAN_EVENT_COUNT_LIMIT must be a non-negative integer"):
        implementation.provider()


# --- tracers ----------------------------------------------------------------------------------------------------------


def test_tracers_are_kept_by_their_scope(implementation: Implementation) -> None:
    provider = implementation.provider()
    tracer = provider.get_tracer("name", "1.0", "schema", {"a": 1})
    assert provider.get_tracer("name", "1.0", "schema", {"a": 1}) is tracer
    others = [
        provider.get_tracer("other", "1.0", "schema", {"a": 1}),
        provider.get_tracer("name", "2.0", "schema", {"a": 1}),
        provider.get_tracer("name", "1.0", "other", {"a": 1}),
        provider.get_tracer("name", "1.0", "schema", {"a": 2}),
        provider.get_tracer("name"),
    ]
    assert len({id(one) for one in (tracer, *others)}) == 6
    assert list(provider._tracers.values()) == [tracer, *others]
    assert provider.get_tracer("name", None) is provider.get_tracer("name", "")


@pytest.mark.parametrize("name", ["", None])
def test_a_tracer_without_a_name(implementation: Implementation, caplog: pytest.LogCaptureFixture, name: Any) -> None:
    tracer = implementation.provider().get_tracer(name)
    assert tracer._instrumentation_scope.name == ""
    assert [(record.name, record.levelno, record.getMessage()) for record in caplog.records] == [
        ("opentelemetry.sdk.trace", logging.ERROR, "get_tracer called with missing module name.")
    ]


def test_tracers_still_record_after_shutdown(implementation: Implementation) -> None:
    provider = implementation.provider(Recorder())
    tracer = provider.get_tracer("before")
    provider.shutdown()
    assert tracer.start_span("span").is_recording()
    assert provider.get_tracer("after").start_span("span").is_recording()


def test_what_is_assigned_to_the_provider_counts_for_new_tracers(implementation: Implementation) -> None:
    provider = implementation.provider(sampler=sampling.ALWAYS_ON)
    before = provider.get_tracer("before")
    provider.sampler = sampling.ALWAYS_OFF
    provider.id_generator = CountingIds()
    provider._span_limits = SpanLimits(max_span_attributes=0)
    after = provider.get_tracer("after")
    assert before.start_span("span", attributes={"a": 1}).attributes == {"a": 1}
    assert not after.start_span("span").is_recording()
    assert provider.id_generator.asked == ["trace", "span"]
    after.sampler = sampling.ALWAYS_ON
    assert after.start_span("span", attributes={"a": 1}).attributes == {}


# --- the configurator -------------------------------------------------------------------------------------------------


def test_tracers_switched_off_and_on(implementation: Implementation) -> None:
    recorder = Recorder()
    ids = CountingIds()
    provider = implementation.provider(recorder, id_generator=ids, _tracer_configurator=sdk._disable_tracer_configurator)
    tracer = provider.get_tracer("name")
    parent = SpanContext(1, 2, True, TraceFlags(1))
    span = tracer.start_span("off", set_span_in_context(NonRecordingSpan(parent)))
    assert isinstance(span, NonRecordingSpan)
    assert span.get_span_context() is parent
    with tracer.start_as_current_span("off") as root:
        assert not root.get_span_context().is_valid
    assert ids.asked == []
    provider._set_tracer_configurator(tracer_configurator=sdk._default_tracer_configurator)
    tracer.start_span("on").end()
    provider._set_tracer_configurator(tracer_configurator=sdk._disable_tracer_configurator)
    tracer.start_span("off").end()
    assert [span.name for span in recorder.ended] == ["on"]


def test_a_configurator_of_rules(implementation: Implementation) -> None:
    configurator = sdk._RuleBasedTracerConfigurator(
        rules=[(lambda scope: scope.name == "loud", sdk._TracerConfig(is_enabled=False))],
        default_config=sdk._TracerConfig(is_enabled=True),
    )
    provider = implementation.provider(_tracer_configurator=configurator)
    assert not provider.get_tracer("loud").start_span("span").is_recording()
    assert provider.get_tracer("quiet").start_span("span").is_recording()


def test_a_config_that_is_changed_in_place(implementation: Implementation) -> None:
    """The SDK notices with the next span, nanospan when it is assigned: by the way that the SDK documents."""
    config = sdk._TracerConfig(is_enabled=True)
    tracer = implementation.provider(_tracer_configurator=lambda scope: config).get_tracer("name")
    assert tracer.start_span("on").is_recording()
    config.is_enabled = False
    assert tracer.start_span("off").is_recording() == (implementation.name == "native")
    tracer._set_tracer_config(config)
    assert not tracer.start_span("off").is_recording()


def test_a_configurator_that_raises(implementation: Implementation, caplog: pytest.LogCaptureFixture) -> None:
    def configurator(scope: Any) -> Any:
        raise RuntimeError("no")

    provider = implementation.provider(_tracer_configurator=configurator)
    assert provider.get_tracer("name").start_span("span").is_recording()
    assert [record.name for record in caplog.records] == ["opentelemetry.sdk.trace"]
    assert caplog.records[0].getMessage().startswith("Failed to create a Tracer Config for InstrumentationScope(name")


# --- the end, and forks -----------------------------------------------------------------------------------------------


def test_flush_and_shutdown_reach_the_processors(implementation: Implementation) -> None:
    calls: list[Any] = []
    provider = implementation.provider(Recorder("a", calls), Recorder("b", calls))
    assert provider.force_flush() is True
    assert provider.force_flush(timeout_millis=10) is True
    provider.shutdown()
    assert calls == [("a", "force_flush"), ("b", "force_flush")] * 2 + [("a", "shutdown"), ("b", "shutdown")]
    assert implementation.provider(active_span_processor=ConcurrentMultiSpanProcessor(1)).force_flush() is True


def test_one_processor_that_cannot_flush(implementation: Implementation) -> None:
    class Stuck(Recorder):
        def force_flush(self, timeout_millis: int = 30000) -> bool:
            super().force_flush(timeout_millis)
            return False

    calls: list[Any] = []
    assert implementation.provider(Stuck("a", calls), Recorder("b", calls)).force_flush() is False
    assert calls == [("a", "force_flush"), ("b", "force_flush")]
    assert implementation.provider(Recorder("late", calls)).force_flush(0) is False


def test_shut_down_at_exit(implementation: Implementation) -> None:
    script = (
        "import sys\n"
        "from opentelemetry.sdk.trace import SpanProcessor, TracerProvider as stock\n"
        "from nanospan import *\n"
        "class Telling(SpanProcessor):\n"
        "    def shutdown(self): print('shut down')\n"
        "provider = (stock if sys.argv[1] == 'stock' else TracerProvider)(shutdown_on_exit=sys.argv[2] == 'yes')\n"
        "provider.add_span_processor(Telling())\n"
    )
    for wish, said in (("yes", "shut down\n"), ("no", "")):
        command = [sys.executable, "-c", script, implementation.name, wish]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == said


FORKING = """
import json, os, sys
from opentelemetry.sdk.resources import Resource
if sys.argv[1] == "native":
    from nanospan import TracerProvider
else:
    from opentelemetry.sdk.trace import TracerProvider
resource = Resource({"service.instance.id": "parent", "kept": 1})
provider = TracerProvider(resource=resource, shutdown_on_exit=False)
tracer = provider.get_tracer("name")
span = tracer.start_span("open")
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
fresh = tracer.start_span("fresh").resource
other = provider.get_tracer("other").start_span("other").resource
shown = {"provider": provider.resource, "fresh": fresh, "other": other, "open": span.resource}
report = {name: dict(resource.attributes) for name, resource in shown.items()}
report["ids"] = [tracer.start_span("span").get_span_context().span_id for _ in range(10)]
print(json.dumps(report), flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_the_resource_is_renewed_in_a_child(implementation: Implementation) -> None:
    """New spans of tracers that exist have the new resource; spans that were open keep the old one."""
    command = [sys.executable, "-c", FORKING, implementation.name]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    child, parent = (json.loads(line) for line in finished.stdout.splitlines())
    assert child["provider"] == child["fresh"] == child["other"]
    assert child["fresh"]["kept"] == 1
    assert child["fresh"]["service.instance.id"] != "parent"
    assert child["open"]["service.instance.id"] == "parent"
    assert {parent[which]["service.instance.id"] for which in ("provider", "fresh", "other", "open")} == {"parent"}
    # Ids drawn after the fork are no repetition of each other.
    assert len(set(child["ids"] + parent["ids"])) == 20
