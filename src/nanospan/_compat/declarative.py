"""The private names of the package opentelemetry-configuration that nanospan uses.

The package is optional; ``OTEL_CONFIG_FILE`` needs it. tests/configurator/test_declarative_tracing.py checks the names
against the installed release. Written against 0.66b0 to 0.66b2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any

from opentelemetry.sdk.trace.sampling import Sampler

__all__ = ["CONVERSION", "NAMES", "file_tracing_built_with", "sampler_model", "stock_sampler"]

NAMES = (
    "ALWAYS_OFF",
    "ALWAYS_ON",
    "BatchSpanProcessor",
    "RandomIdGenerator",
    "TraceIdRatioBased",
    "TracerProvider",
    "_DEFAULT_SAMPLER",
    "_SPAN_EXPORTER_REGISTRY",
    "_create_sampler",
)
"""Global names of the module that builds a tracer provider from a file; its functions look them up at run time."""

CONVERSION = "_dict_to_dataclass"
"""The function of the module that makes the models of a file's nodes."""


def _maker() -> Any:
    """The module that builds a tracer provider from a file.

    Raises ImportError if the package is not installed, LookupError if it has no such module.
    """
    import_module("opentelemetry.configuration")
    try:
        import opentelemetry.configuration._tracer_provider as maker
    except ImportError as error:
        raise LookupError(f"opentelemetry-configuration is not as nanospan knows it: {error}") from error
    return maker


def stock_sampler(model: Any) -> Sampler:
    """The package's own sampler for a node of the file."""
    sampler: Sampler = _maker()._create_sampler(model)
    return sampler


def sampler_model(node: Mapping[str, Any]) -> Any:
    """A node of the file, given as a mapping, as the package's model."""
    import opentelemetry.configuration._conversion as conversion
    from opentelemetry.configuration.models import Sampler as SamplerModel

    return getattr(conversion, CONVERSION)(node, SamplerModel)


def file_tracing_built_with(
    names: Mapping[str, Any],
    create_sampler: Callable[[Any, Callable[[Any], Sampler]], Sampler],
    exporters: Mapping[str, Callable[[Any], Any]],
) -> AbstractContextManager[None]:
    """A context in which the package builds tracer providers from a file with ``names`` in place of its own.

    ``create_sampler`` receives every sampler node and the package's own factory. ``exporters`` maps names of exporters to
    factories. The module's global names are replaced inside the context, because no argument of its functions reaches them.

    Raises ImportError if the package is not installed. Raises LookupError if it lacks one of the names; nothing is replaced
    then.
    """
    maker = _maker()
    missing = [name for name in NAMES if not hasattr(maker, name)]
    if missing:
        raise LookupError(f"{maker.__name__} has no {missing[0]} in the installed release")
    import opentelemetry.configuration._conversion as conversion

    if not hasattr(conversion, CONVERSION):
        raise LookupError(f"{conversion.__name__} has no {CONVERSION} in the installed release")
    stock = maker._create_sampler
    replaced = dict(names)
    replaced["_create_sampler"] = lambda model: create_sampler(model, stock)
    replaced["_SPAN_EXPORTER_REGISTRY"] = {**maker._SPAN_EXPORTER_REGISTRY, **exporters}
    return _with_names(maker, replaced)


@contextmanager
def _with_names(module: Any, names: Mapping[str, Any]) -> Iterator[None]:
    before = {name: getattr(module, name) for name in names}
    vars(module).update(names)
    try:
        yield
    finally:
        vars(module).update(before)
