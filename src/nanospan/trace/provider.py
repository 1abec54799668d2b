"""`TracerProvider`: the SDK's class of that name, whose tracers and spans are native."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from warnings import filterwarnings

from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk import environment_variables as variables
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    SpanLimits,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
)
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope
from opentelemetry.trace import NoOpTracer
from opentelemetry.trace import Tracer as ApiTracer
from opentelemetry.util.types import Attributes

from nanospan._common.arguments import check_bool, check_has, safe_repr
from nanospan._common.environment import boolean_variable
from nanospan._common.log import log_callback_error, say_what_the_process_held_back
from nanospan._compat import stock
from nanospan._compat.sdk import RECORDS_NATIVELY, counts_nothing, outlive_its_pool
from nanospan._native.trace import NativeProcessors
from nanospan.ids import RandomIdGenerator
from nanospan.trace._clock import set_clock_from_environment
from nanospan.trace._span_limits import fitting_limits, span_limits_from_environment
from nanospan.trace._surroundings import measure_surroundings
from nanospan.trace.tracer import Tracer

__all__ = ["TracerProvider"]

# The SDK's logger: programs configure it under that name.
logger = logging.getLogger(sdk.__name__)
own_logger = logging.getLogger(__name__)


_SAMPLER = "a Sampler, such as nanospan.sampling.ALWAYS_ON or ParentBased(ConsistentProbability(0.01))"
_PROCESSOR = "a SpanProcessor, such as nanospan.BatchSpanProcessor()"
_IDS = "an IdGenerator, such as nanospan.RandomIdGenerator()"
_COMPOSITE = "a SynchronousMultiSpanProcessor or ConcurrentMultiSpanProcessor"
_COMPOSITE_METHODS = ("add_span_processor", "on_start", "on_end", "shutdown", "force_flush")


def _check_arguments(
    sampler: object,
    resource: object,
    shutdown_on_exit: object,
    active_span_processor: object,
    id_generator: object,
    span_limits: object,
    meter_provider: object,
) -> None:
    """Raise TypeError for an argument of TracerProvider that would fail, or drop every span, only when it is used."""
    if sampler is not None:
        check_has("sampler", sampler, ("should_sample",), _SAMPLER)
    if resource is not None and not hasattr(resource, "attributes"):
        raise TypeError(f"resource must be a Resource, such as Resource.create({{}}), not {safe_repr(resource)}")
    check_bool("shutdown_on_exit", shutdown_on_exit)
    if active_span_processor is not None:
        check_has("active_span_processor", active_span_processor, _COMPOSITE_METHODS, _COMPOSITE)
    if id_generator is not None:
        check_has("id_generator", id_generator, ("generate_span_id", "generate_trace_id"), _IDS)
    if span_limits is not None and not hasattr(span_limits, "max_span_attributes"):
        raise TypeError(f"span_limits must be SpanLimits, not {safe_repr(span_limits)}")
    if meter_provider is not None:
        check_has("meter_provider", meter_provider, ("get_meter",), "a MeterProvider")


def _sampler_of_environment() -> Sampler | None:
    """The sampler that ``OTEL_TRACES_SAMPLER`` names; None, the SDK's default, if it is not set."""
    if variables.OTEL_TRACES_SAMPLER not in os.environ:
        return None
    from nanospan.sampling.configuration.environment import provider_sampler

    return provider_sampler()


def _drops_traces(sampler: Sampler) -> bool:
    from nanospan.sampling._recording import drops_traces

    return drops_traces(sampler)


class SpanProcessors(NativeProcessors, SynchronousMultiSpanProcessor):
    """The processors of a provider, in the order in which they were added."""

    def __copy__(self) -> SpanProcessors:
        copied = type(self).__new__(type(self))
        copied.__dict__.update(vars(self))
        copied._span_processors = self._span_processors
        return copied

    def shutdown(self) -> None:
        """Shut all of them down; an exception of one is logged."""
        for processor in self._span_processors:
            try:
                processor.shutdown()
            except Exception:
                log_callback_error(processor, "shutdown")


class TracerProvider(stock.TracerProviderBase):
    """Creates tracers with native spans. Replaces ``opentelemetry.sdk.trace.TracerProvider``.

    Args:
        sampler: Any Sampler; the one in ``OTEL_TRACES_SAMPLER`` if None. Samplers of nanospan and the SDK decide natively;
            any other sampler is called.
        resource: The resource of the spans; ``Resource.create({})`` if None.
        shutdown_on_exit: Whether the exit of the interpreter shuts the provider down.
        active_span_processor: The composite that calls the processors; a native one if None.
        id_generator: Any IdGenerator; `nanospan.RandomIdGenerator` if None.
        span_limits: The limits; those in ``OTEL_SPAN_*_LIMIT`` and ``OTEL_ATTRIBUTE_*_LIMIT`` if None. Invalid variables
            count as unset, with a warning.
        meter_provider: For the ``otel.sdk.span.*`` metrics, which ``OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED=true`` enables;
            the global one if None.

    Spans read the system's clock; Python's, which test tools replace, with ``OTEL_PYTHON_NANOSPAN_CLOCK=python``.

    Raises:
        TypeError: for an argument of another type, by name. An object with the methods of the class will do.

    An exception in a processor or a sampler does not reach the application: it is logged, the other processors are called,
    and a span whose sampler raised is dropped.
    """

    # These two are shared by the tracers. Class attributes: `nanospan.install` makes providers of the SDK its instances.
    _no_metrics: Any = None
    _config: Any = None

    def __init__(
        self,
        sampler: Sampler | None = None,
        resource: Resource | None = None,
        shutdown_on_exit: bool = True,
        active_span_processor: SynchronousMultiSpanProcessor | ConcurrentMultiSpanProcessor | None = None,
        id_generator: IdGenerator | None = None,
        span_limits: SpanLimits | None = None,
        *,
        meter_provider: MeterProvider | None = None,
        _tracer_configurator: Callable[[InstrumentationScope], Any] | None = None,
    ) -> None:
        _check_arguments(
            sampler, resource, shutdown_on_exit, active_span_processor, id_generator, span_limits, meter_provider
        )
        boolean_variable(logger, variables.OTEL_SDK_DISABLED)  # for its warning: the SDK's class reads it in silence
        set_clock_from_environment()
        given: dict[str, Any] = {"meter_provider": meter_provider, "_tracer_configurator": _tracer_configurator}
        super().__init__(
            _sampler_of_environment() if sampler is None else sampler,
            resource,
            shutdown_on_exit,
            active_span_processor or (SpanProcessors() if RECORDS_NATIVELY else None),
            RandomIdGenerator() if id_generator is None else id_generator,
            span_limits_from_environment() if span_limits is None else fitting_limits(span_limits),
            **{name: value for name, value in given.items() if RECORDS_NATIVELY or value is not None},
        )
        if isinstance(active_span_processor, ConcurrentMultiSpanProcessor):
            outlive_its_pool(active_span_processor)
        measure_surroundings(lambda sampler: TracerProvider(sampler, shutdown_on_exit=False))

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Call ``span_processor`` for every span from now on. Raises TypeError for what is no processor."""
        check_has("span_processor", span_processor, ("on_start", "on_end"), _PROCESSOR)
        super().add_span_processor(span_processor)
        if getattr(span_processor, "_samples_tails", False) and _drops_traces(self.sampler):
            own_logger.warning(
                "Tail sampling decides only on what the head sampler records, and %s drops traces, with the errors in them: "
                "give the provider sampler=AlwaysRecord(...) around it, or ALWAYS_ON (both in nanospan.sampling)",
                self.sampler.get_description(),
            )
        leave_at_exit = getattr(span_processor, "_leave_at_exit", None)
        if leave_at_exit and getattr(self, "_atexit_handler", self) is None:
            leave_at_exit()

    def __repr__(self) -> str:
        active = getattr(self, "_active_span_processor", None)
        processors = list(getattr(active, "_span_processors", [active]))
        sampler = safe_repr(self.sampler)
        if type(self.sampler).__repr__ is object.__repr__:  # the SDK's samplers have a description in its place
            with suppress(Exception):
                sampler = self.sampler.get_description()
        return f"<nanospan.TracerProvider sampler={sampler} processors={safe_repr(processors)}>"

    def shutdown(self) -> None:
        """Shut the processors down, and say in the log what it held back."""
        super().shutdown()
        say_what_the_process_held_back()

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> ApiTracer:
        """The tracer of an instrumentation scope; the same object for equal arguments."""
        if not RECORDS_NATIVELY:
            stocks: ApiTracer = super().get_tracer(
                instrumenting_module_name, instrumenting_library_version, schema_url, attributes
            )
            return stocks
        if self._disabled:
            return NoOpTracer()
        if not instrumenting_module_name:
            instrumenting_module_name = ""
            logger.error("get_tracer called with missing module name.")
        version = "" if instrumenting_library_version is None else instrumenting_library_version
        scope = InstrumentationScope(instrumenting_module_name, version, schema_url, attributes)
        with self._tracers_lock:
            known: ApiTracer | None = self._tracers.get(scope)
            if known is not None:
                return known
            filterwarnings("ignore", "You should use InstrumentationScope", DeprecationWarning, __name__)
            info = InstrumentationInfo(instrumenting_module_name, version, schema_url)
            # Equal ones are one object, as for the scopes of one rule: a process may have a tracer for each of many names.
            if (config := self._apply_tracer_configurator(scope)) == self._config:
                config = self._config
            self._config = config
            tracer = Tracer(
                self.sampler,
                self.resource,
                self._active_span_processor,
                self.id_generator,
                info,
                self._span_limits,
                scope,
                meter_provider=self._meter_provider,
                _tracer_config=config,
            )
            if counts_nothing(tracer._tracer_metrics):
                self._no_metrics = tracer._tracer_metrics = self._no_metrics or tracer._tracer_metrics
            self._tracers[scope] = tracer
        return tracer
