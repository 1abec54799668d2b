"""`TracerProvider`: the SDK's class of that name, whose tracers and spans are native."""

from __future__ import annotations

import logging
from warnings import filterwarnings

from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, SpanLimits, SynchronousMultiSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope
from opentelemetry.trace import NoOpTracer
from opentelemetry.trace import Tracer as ApiTracer
from opentelemetry.util.types import Attributes

from nanospan._compat.sdk import TracerConfigurator
from nanospan._native.trace.processors import NativeProcessors
from nanospan.ids import RandomIdGenerator
from nanospan.sampling.configuration.environment import own_sampler
from nanospan.trace._span_limits import span_limits_from_environment
from nanospan.trace.tracer import Tracer

__all__ = ["TracerProvider"]

# The SDK says what it says there; programs look for it under that name.
logger = logging.getLogger(sdk.__name__)


class SpanProcessors(NativeProcessors, SynchronousMultiSpanProcessor):
    """The processors of a provider, in the order in which they were added."""


class TracerProvider(sdk.TracerProvider):
    """Gives tracers whose spans cost nanoseconds. Takes the place of ``opentelemetry.sdk.trace.TracerProvider``.

    Args:
        sampler: Any Sampler. The one that ``OTEL_TRACES_SAMPLER`` names if None. The SDK's samplers and nanospan's decide
            natively, any other is called.
        resource: What the spans are about; ``Resource.create({})`` if None.
        shutdown_on_exit: Whether the end of the interpreter shuts the provider down.
        active_span_processor: A composite of your own to hold the processors.
        id_generator: Any IdGenerator; `nanospan.RandomIdGenerator` if None.
        span_limits: The limits; from ``OTEL_SPAN_*_LIMIT`` and ``OTEL_ATTRIBUTE_*_LIMIT`` if None, of which wrong values are
            ignored with a warning.
        meter_provider: For the ``otel.sdk.span.*`` metrics, which ``OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED=true``
            switches on. The global one if None.

    A processor or a sampler that raises does not break the application: the exception is logged, the other processors are
    still called, and the span of a sampler that raised is dropped.
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

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> ApiTracer:
        """The tracer of an instrumentation scope, the same for the same arguments."""
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
            tracer = Tracer(
                self.sampler,
                self.resource,
                self._active_span_processor,
                self.id_generator,
                info,
                self._span_limits,
                scope,
                meter_provider=self._meter_provider,
                _tracer_config=self._apply_tracer_configurator(scope),
            )
            self._tracers[scope] = tracer
        return tracer
