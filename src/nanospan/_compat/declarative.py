"""Every name of the package opentelemetry-configuration that nanospan leans on and that is not public, in one place.

The package is optional: ``OTEL_CONFIG_FILE`` asks for it. tests/configurator/test_declarative_tracing.py checks the names against the
installed release. Written against 0.66b0 to 0.66b2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any

from opentelemetry.sdk.trace.sampling import Sampler

__all__ = ["NAMES", "file_tracing_built_with", "sampler_model", "stock_sampler"]

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
"""Of the module that makes a tracer provider from a file: what its functions look up while they run."""


def _maker() -> Any:
    """The module that makes a tracer provider from a file.

    Raises ImportError if the package is not installed, LookupError if it has no such module.
    """
    import_module("opentelemetry.configuration")
    try:
        import opentelemetry.configuration._tracer_provider as maker
    except ImportError as error:
        raise LookupError(f"opentelemetry-configuration is not as nanospan knows it: {error}") from error
    return maker


def stock_sampler(model: Any) -> Sampler:
    """The sampler that the package makes of a node of the file."""
    return _maker()._create_sampler(model)


def sampler_model(node: Mapping[str, Any]) -> Any:
    """A node of the file, as the loader hands it to samplers of others, in the form that the package works with."""
    import opentelemetry.configuration._conversion as conversion
    from opentelemetry.configuration.models import Sampler as SamplerModel

    return conversion._dict_to_dataclass(node, SamplerModel)


def file_tracing_built_with(
    names: Mapping[str, Any],
    create_sampler: Callable[[Any, Callable[[Any], Sampler]], Sampler],
    exporters: Mapping[str, Callable[[Any], Any]],
) -> AbstractContextManager[None]:
    """While it is entered, tracer providers are made from a file with ``names`` in place of the package's own.

    Every node of a sampler goes to ``create_sampler``, together with what the package would do with it, and exporters
    of the names in ``exporters`` are made by what stands there. Names of the module are replaced for that long, because
    no argument of its functions reaches them.

    Raises ImportError if the package is not installed, and LookupError, before anything is replaced, if it has not got
    the names.
    """
    maker = _maker()
    missing = [name for name in NAMES if not hasattr(maker, name)]
    if missing:
        raise LookupError(f"{maker.__name__} has no {missing[0]} in the installed release")
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
