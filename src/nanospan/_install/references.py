"""References to the SDK's objects in loaded modules: what ``from opentelemetry.sdk.trace import TracerProvider`` leaves."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["KNOWN_PACKAGES", "is_in", "modules_of", "other_holders", "references"]

KNOWN_PACKAGES = (
    "__main__",
    "agno",
    "amazon.opentelemetry",
    "arize",
    "autogen_core",
    "azure.core",
    "azure.monitor.opentelemetry",
    "braintrust",
    "crewai",
    "ddtrace",
    "dspy",
    "elasticotel",
    "google.adk",
    "grafana_opentelemetry",
    "haystack",
    "langchain",
    "langchain_core",
    "langfuse",
    "langsmith",
    "llama_index",
    "lmnr",
    "logfire",
    "mlflow",
    "openinference",
    "openlit",
    "opentelemetry",
    "phoenix",
    "pydantic_ai",
    "semantic_kernel",
    "sentry_sdk",
    "smolagents",
    "splunk_otel",
    "strands",
    "traceloop",
)
"""Packages that construct the SDK's classes or derive from them."""


def is_in(module: str, packages: Iterable[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def modules_of(packages: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The names and the variables of the loaded modules of ``packages``."""
    packages = tuple(packages)
    for name, module in list(sys.modules.items()):
        # vars: attributes of a module that loads others lazily would load them. Other entries are odd, but legal.
        if is_in(name, packages) and isinstance(variables := getattr(module, "__dict__", None), dict):
            yield name, variables


def references(packages: Iterable[str], replaced: dict[int, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The module, its variables and the variable, for each that holds an object whose ``id`` is in ``replaced``."""
    for module, variables in modules_of(packages):
        for name, value in list(variables.items()):
            if id(value) in replaced:
                yield module, variables, name


def other_holders(packages: Iterable[str], replaced: dict[int, Any]) -> list[str]:
    """Variables outside ``packages``, and outside nanospan, that hold such an object."""
    skipped = (*packages, "nanospan")
    modules = [name for name in list(sys.modules) if not is_in(name, skipped)]
    return [f"{module}.{name}" for module, _, name in references(modules, replaced)]
