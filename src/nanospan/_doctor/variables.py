"""Which names of variables anybody reads: those that packages register, and nanospan's."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec

__all__ = ["OWN", "ZERO_CODE", "is_candidate", "known_names", "missing_package", "near"]

OWN = frozenset(
    f"OTEL_PYTHON_NANOSPAN_{name}" for name in ("CLOCK", "INSTALL", "MAX_QUEUE_BYTES", "REDACT", "SEMCONV", "THREADS")
)

ZERO_CODE = frozenset(
    {
        "OTEL_CONFIG_FILE",
        "OTEL_PYTHON_CONFIGURATOR",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
        "OTEL_PYTHON_DISTRO",
        "OTEL_PYTHON_ID_GENERATOR",
        "OTEL_TRACES_EXPORTER",
    }
)
"""Read only where ``opentelemetry-instrument``, or a configurator called by code, sets tracing up."""

_OF_EXPORTERS = frozenset({"OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES"})

_OF_INSTRUMENTATION = re.compile(
    r"OTEL_PYTHON_(AUTO_INSTRUMENTATION_\w+|CONFIGURATOR|DISTRO|DISABLED_INSTRUMENTATIONS|\w*EXCLUDED_URLS"
    r"|\w+_TRACED_REQUEST_ATTRS|DJANGO_\w+|LOG_\w+|LOGGING_\w+|TORNADO_\w+)|OTEL_INSTRUMENTATION_\w+"
    r"|OTEL_SEMCONV_STABILITY_OPT_IN"
)
_OF_PACKAGES = (
    ("OTEL_EXPORTER_JAEGER_", "opentelemetry.exporter.jaeger", "the Jaeger exporter, which is retired: send OTLP"),
    ("OTEL_EXPORTER_ZIPKIN_", "opentelemetry.exporter.zipkin", "opentelemetry-exporter-zipkin"),
    ("OTEL_EXPORTER_PROMETHEUS_", "opentelemetry.exporter.prometheus", "opentelemetry-exporter-prometheus"),
)
_PREFIXES = ("OTEL_", "OTLP_", "OPENTELEMETRY_")
_OTHER = ("GRPC_ENABLE_FORK_SUPPORT", "ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")


def is_candidate(name: str) -> bool:
    """Whether the variable is one about tracing."""
    return name.startswith(_PREFIXES) or name.upper() in _OTHER


@cache
def known_names() -> frozenset[str]:
    """Every name that an installed package declares (entry points ``opentelemetry_environment_variables``)."""
    names = set(OWN | _OF_EXPORTERS)
    for entry in entry_points(group="opentelemetry_environment_variables"):
        try:
            names.update(name for name in vars(entry.load()) if name.startswith("OTEL_"))
        except Exception:  # a package that is broken declares nothing
            continue
    return frozenset(names)


def missing_package(name: str) -> str | None:
    """The package that would read the variable, if it is not installed."""
    for prefix, module, package in _OF_PACKAGES:
        if name.startswith(prefix) and not _is_installed(module):
            return package
    if _OF_INSTRUMENTATION.fullmatch(name) and not _is_installed("opentelemetry.instrumentation"):
        return "opentelemetry-distro and the instrumentations"
    return None


def near(name: str) -> str | None:
    """None for a name that somebody reads; else the known name that it was probably meant to be, or an empty text."""
    if name in known_names() or name.upper() in _OTHER or _OF_INSTRUMENTATION.fullmatch(name):
        return None
    found = get_close_matches(name, known_names(), n=1, cutoff=0.85)
    return found[0] if found else ""


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
