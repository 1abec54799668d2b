"""`TracerProvider`: the SDK's class of that name, whose tracers and spans are native."""

from __future__ import annotations

import logging
from typing import Any
from warnings import filterwarnings

from opentelemetry.metrics import MeterProvider
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

from nanospan._common.log import log_callback_error
from nanospan._compat import stock
from nanospan._compat.sdk import TracerConfigurator, counts_nothing, outlive_its_pool
from nanospan._native.trace import NativeProcessors
from nanospan.ids import RandomIdGenerator
from nanospan.sampling.configuration.environment import own_sampler
from nanospan.trace._clock import set_clock_from_environment
from nanospan.trace._span_limits import span_limits_from_environment
from nanospan.trace.tracer import Tracer

__all__ = ["TracerProvider"]

# The SDK's logger: programs configure it under that name.
logger = logging.getLogger(sdk.__name__)


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


class TracerProvider(stock.TracerProvider):
    """Creates tracers with native spans. Replaces ``opentelemetry.sdk.trace.TracerProvider``.

    Args:
        sampler: Any Sampler; the one in ``OTEL_TRACES_SAMPLER`` if None. Samplers of nanospan and the SDK decide natively;
            any other sampler is called.
        resource: The resource of the spans; ``Resource.create({})`` if None.
        shutdown_on_exit: Whether the exit of the interpreter shuts the provider down.
        active_span_processor: The composite that calls the processors; a native one if None.
        id_generator: Any IdGenerator; `nanospan.RandomIdGenerator` if None.
        span_limits: The limits; those in ``OTEL_SPAN_*_LIMIT`` and ``OTEL_ATTRIBUTE_*_LIMIT`` if None. Invalid variables are
            ignored with a warning.
        meter_provider: For the ``otel.sdk.span.*`` metrics, which ``OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED=true`` enables;
            the global one if None.

    Spans read the system's clock; Python's, which test tools replace, with ``OTEL_PYTHON_NANOSPAN_CLOCK=python``.

    An exception in a processor or a sampler does not reach the application: it is logged, the other processors are called,
    and a span whose sampler raised is dropped.
    """

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
        _tracer_configurator: TracerConfigurator | None = None,
    ) -> None:
        set_clock_from_environment()
        self._no_metrics: Any = None  # these two are shared by the tracers
        self._config: Any = None
        super().__init__(
            own_sampler() if sampler is None else sampler,
            resource,
            shutdown_on_exit,
            active_span_processor or SpanProcessors(),
            RandomIdGenerator() if id_generator is None else id_generator,
            span_limits or span_limits_from_environment(),
            meter_provider=meter_provider,
            _tracer_configurator=_tracer_configurator,
        )
        if isinstance(active_span_processor, ConcurrentMultiSpanProcessor):
            outlive_its_pool(active_span_processor)

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Call ``span_processor`` for every span from now on."""
        super().add_span_processor(span_processor)
        if self._atexit_handler is None and (leave_at_exit := getattr(span_processor, "_leave_at_exit", None)):
            leave_at_exit()

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> ApiTracer:
        """The tracer of an instrumentation scope; the same object for equal arguments."""
        if self._disabled:
            return NoOpTracer()
        if not instrumenting_module_name:
            instrumenting_module_name = ""
            logger.error("get_tracer called with missing module name.")
        version = "" if instrumenting_library_version is None else instrumenting_library_version
        scope = InstrumentationScope(instrumenting_module_name, version, schema_url, attributes)
        with self._tracers_lock:
            known = self._tracers.get(scope)
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
