"""The provider to examine: of the process, of an application's module, or of the environment."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from contextlib import redirect_stdout
from typing import Any, NamedTuple

import click
from opentelemetry.trace import ProxyTracerProvider

from nanospan._compat.sdk import serving_tracer_provider

__all__ = ["Subject", "SubjectError", "find_subject"]

SLOW_SECONDS = 15.0
_SLOW = (
    "has not returned yet. If it runs the application itself, press Ctrl-C and name the module, or the function, that sets "
    "tracing up; or examine the running process with --pid."
)


class SubjectError(Exception):
    """The application cannot be loaded; the message says why."""


class Subject(NamedTuple):
    provider: Any
    from_environment: bool
    """Whether the command made the provider, as zero code does."""
    origin: str
    """Where it comes from, for the report."""


def find_subject(module: str | None, attribute: str | None = None) -> Subject:
    """The provider that ``module`` sets when it is imported, or what calling its ``attribute`` sets.

    Without a module the global provider, if something has set one (``opentelemetry-instrument nanospan doctor``), else the
    one that nanospan's configurator makes from the environment. Raises SubjectError.
    """
    if module is not None:
        left = _load(module, attribute)
        return Subject(_global_provider(), False, f"as {module} sets it up{left}")
    provider = _global_provider()
    if not isinstance(provider, ProxyTracerProvider):
        return Subject(provider, False, "as this process has it")
    _configure()
    origin = "as nanospan's configurator makes it of the environment; name a module to examine an application"
    return Subject(_global_provider(), True, origin)


def _global_provider() -> Any:
    return serving_tracer_provider() or ProxyTracerProvider()


def _load(module: str, attribute: str | None) -> str:
    """Import and call. Returns what is to be said of a module that has set a provider and then called `sys.exit`."""
    # As uvicorn and gunicorn do: applications are imported from the current folder.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    name = module if attribute is None else f"{module}:{attribute}"
    slow = threading.Timer(SLOW_SECONDS, click.echo, (f"{name} {_SLOW}",), {"err": True})
    slow.daemon = True
    slow.start()
    try:
        with redirect_stdout(sys.stderr):  # the report alone is the output
            loaded = importlib.import_module(module)
            if attribute is not None:
                getattr(loaded, attribute)()
    except SystemExit as error:
        left = f"sys.exit({'' if error.code is None else repr(error.code)})"
        if isinstance(_global_provider(), ProxyTracerProvider):
            raise SubjectError(
                f"{name} called {left} before it set a tracer provider: name the module, or the function, that does"
            ) from error
        return f", which then called {left}"
    except Exception as error:
        raise SubjectError(f"{name} cannot be loaded: {type(error).__name__}: {error}{_hint(module, error)}") from error
    finally:
        slow.cancel()
    return ""


def _hint(module: str, error: Exception) -> str:
    """What was probably meant by the name of a file."""
    if isinstance(error, ModuleNotFoundError) and module.endswith(".py"):
        meant = module.removesuffix(".py").removeprefix("./").replace("/", ".")
        return f"; write the name of the module, {meant}"
    return ""


def _configure() -> None:
    from nanospan.configurator import Configurator

    before = {name: os.environ.get(name) for name in ("OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")}
    os.environ.update(dict.fromkeys(before, "none"))  # only traces are examined
    try:
        Configurator().configure()
    except Exception as error:
        raise SubjectError(f"the environment cannot be used: {type(error).__name__}: {error}") from error
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
