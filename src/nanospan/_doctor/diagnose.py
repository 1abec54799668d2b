"""The examination of one provider: facts first, then what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import NoOpTracerProvider, ProxyTracerProvider

from nanospan._common.arguments import MAX_FLOAT, check_has, check_number
from nanospan._compat.inspection import is_disabled, real_provider, span_processors
from nanospan._compat.sdk import serving_tracer_provider
from nanospan._compat.stock import is_own
from nanospan._doctor.endpoints import check_answer
from nanospan._doctor.environment import check_environment, check_sampler_variable, list_variables
from nanospan._doctor.processors import Examined, check_pairs, check_processor, class_name, examine
from nanospan._doctor.report import Finding, Level, Report, worst_first
from nanospan._doctor.samplers import check_sampler, describe_sampler
from nanospan._doctor.versions import check_versions, list_versions
from nanospan.processor import BatchSpanProcessor
from nanospan.trace import TracerProvider

__all__ = ["diagnose"]


def diagnose(provider: Any = None, *, timeout: float = 5.0, zero_code: bool = False) -> Report:
    """Examine ``provider``, the global one if None. ``zero_code``: whether it was made from the environment."""
    check_number("timeout", timeout, 0, MAX_FLOAT, above=True, accepted="a number of seconds above 0")
    if provider is None:
        provider = serving_tracer_provider() or trace.ProxyTracerProvider()
    check_has("provider", provider, ("get_tracer",), "a TracerProvider or None")
    inner = real_provider(provider)
    processors = span_processors(inner)
    examined = [examine(processor, wrappers, timeout) for processor, wrappers in processors or ()]
    findings = [*_check_provider(inner, processors is not None, examined)]
    facts: dict[str, Any] = {"class": class_name(inner), "outer_class": class_name(provider)}
    if (sampler := getattr(inner, "sampler", None)) is not None:
        facts["sampler"] = describe_sampler(sampler)
        findings += check_sampler(sampler, before_tail=any(one.samples_tails for one in examined))
        findings += check_sampler_variable(sampler)
    resource = getattr(getattr(inner, "resource", None), "attributes", {})
    facts["service_name"] = service = str(resource.get("service.name", ""))
    if processors is not None and (not service or service.startswith("unknown_service")):
        do = "Set OTEL_SERVICE_NAME."
        findings.append(Finding(Level.NOTE, "provider", "the service has no name: its traces are hard to find", do))
    for one in examined:
        findings += check_processor(one)
        if one.answer is not None and one.endpoint is not None:
            findings += check_answer(one.endpoint, one.answer)
    findings += check_pairs(examined)
    findings += check_environment(examined, zero_code=zero_code)
    findings += check_versions(examined)
    return Report(
        provider=facts,
        processors=[one.as_dict() for one in examined],
        environment=list_variables(),
        versions=list_versions(),
        findings=worst_first(findings),
    )


def _check_provider(provider: Any, has_processors: bool, examined: Sequence[Examined]) -> Iterator[Finding]:
    if isinstance(provider, ProxyTracerProvider | NoOpTracerProvider):
        do = "Call trace.set_tracer_provider(nanospan.TracerProvider()) before the first span, or use zero code."
        yield Finding(Level.ERROR, "provider", "no tracer provider is set: spans go nowhere", do)
        return
    if not has_processors:
        says = f"{class_name(provider)} is no provider of the SDK: its processors cannot be seen"
        yield Finding(Level.WARNING, "provider", says, "Pass the SDK's or nanospan's provider: nanospan.doctor(provider).")
        return
    if is_disabled(provider):
        yield Finding(Level.ERROR, "provider", "OTEL_SDK_DISABLED=true: no span is made", "Unset OTEL_SDK_DISABLED.")
    if not examined:
        do = "Call provider.add_span_processor(nanospan.BatchSpanProcessor())."
        yield Finding(Level.ERROR, "provider", f"{class_name(provider)} has no processor: spans go nowhere", do)
    if not is_own(provider, TracerProvider):
        has_ours = any(is_own(one.processor, BatchSpanProcessor) for one in examined)
        says = f"the provider is {class_name(provider)}: its spans are objects of Python, and cost microseconds"
        level = Level.NOTE if has_ours else Level.WARNING
        yield Finding(level, "provider", says, "Construct nanospan.TracerProvider in its place.")
