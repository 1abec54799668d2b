"""Versions of what tracing runs on, and what is known not to work together."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distributions, version
from typing import Any

from nanospan._doctor.processors import Examined, class_name
from nanospan._doctor.report import Finding, Level

__all__ = ["check_versions", "list_versions"]

_NAMES = (
    "nanospan",
    "opentelemetry-api",
    "opentelemetry-sdk",
    "opentelemetry-semantic-conventions",
    "opentelemetry-proto",
    "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry-exporter-otlp-proto-grpc",
    "opentelemetry-configuration",
    "opentelemetry-instrumentation",
    "opentelemetry-distro",
    "protobuf",
    "googleapis-common-protos",
    "grpcio",
    "urllib3",
    "requests",
    "gevent",
    "eventlet",
    "ddtrace",
    "uvicorn",
    "gunicorn",
)
_OFF = ("0", "false", "f", "no", "n")


def list_versions(folders: Sequence[str] | None = None) -> dict[str, str]:
    """Python, and the packages of tracing that are installed: here, or in these folders."""
    found = {"python": platform.python_version()}
    path = sys.path if folders is None else list(folders)
    for name in _NAMES:
        if (installed := next(iter(distributions(name=name, path=path)), None)) is not None:
            found[name] = installed.version
    return found


def check_versions(examined: Sequence[Examined]) -> Iterator[Finding]:
    yield from _check_requirements()
    yield from _check_grpc(examined)


def _check_requirements() -> Iterator[Finding]:
    """What the packages of tracing ask of each other's versions, as ``pip check`` does it."""
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:
        says = "whether the versions fit each other is not checked: the package packaging is not installed"
        yield Finding(Level.NOTE, "versions", says, "Run pip check.")
        return
    for one in _of_tracing():
        for text in one.requires or ():
            try:
                wanted = Requirement(text)
            except InvalidRequirement:
                continue
            if wanted.marker is not None and not _applies(wanted.marker, one.name):
                continue
            try:
                installed = version(wanted.name)
            except PackageNotFoundError:
                if wanted.marker is None or "extra" not in str(wanted.marker):
                    says = f"{one.name} {one.version} needs {wanted.name}{wanted.specifier}, which is not installed"
                    yield Finding(Level.ERROR, "versions", says, f"Run pip install '{wanted.name}{wanted.specifier}'.")
                continue
            if not wanted.specifier.contains(installed, prereleases=True):
                says = f"{one.name} {one.version} needs {wanted.name}{wanted.specifier}, and {installed} is installed"
                yield Finding(Level.ERROR, "versions", says, f"Run pip install '{wanted.name}{wanted.specifier}'.")


def _of_tracing() -> list[Distribution]:
    found: dict[str, Distribution] = {}
    for one in distributions():
        name = (one.metadata["Name"] or "").lower().replace("_", "-")
        if name.startswith("opentelemetry-") or name in ("nanospan", "grpcio-status", "googleapis-common-protos"):
            found.setdefault(name, one)  # the first on the path is the one that is imported
    return [found[name] for name in sorted(found)]


def _applies(marker: Any, name: str) -> bool:
    """Whether a requirement holds here. Those of nanospan's extra ``grpc`` hold wherever grpcio is installed."""
    return bool(marker.evaluate({"extra": "grpc" if name == "nanospan" else ""}))


def _check_grpc(examined: Sequence[Examined]) -> Iterator[Finding]:
    uses_grpc = any("grpc" in type(one.exporter).__module__ for one in examined)
    if not uses_grpc:
        return
    fork = os.environ.get("GRPC_ENABLE_FORK_SUPPORT", "").lower()
    if fork in _OFF and fork:
        says = "with GRPC_ENABLE_FORK_SUPPORT=0 spans of forked children are not sent by gRPC"
        yield Finding(Level.WARNING, "versions", says, "Unset it before the process starts, or send by HTTP.")
    for one in examined:
        if "grpc" in type(one.exporter).__module__ and not type(one.processor).__module__.startswith("nanospan"):
            says = f"{class_name(one.exporter)} behind {class_name(one.processor)} may hang in a child after a fork"
            do = "Use nanospan.BatchSpanProcessor, or make the provider in the child."
            yield Finding(Level.NOTE, "versions", says, do)
    if "gevent.monkey" in sys.modules and _is_patched():
        says = "gevent has patched this process, and calls of gRPC block its event loop"
        yield Finding(Level.WARNING, "versions", says, "Send by HTTP: OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf.")


def _is_patched() -> bool:
    return bool(sys.modules["gevent.monkey"].is_module_patched("socket"))
