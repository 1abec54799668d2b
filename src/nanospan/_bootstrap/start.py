"""Tracing for a program that knows nothing of it: nanospan in place of the SDK, a default provider, the instrumentations."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec

from opentelemetry.environment_variables import OTEL_TRACES_EXPORTER

from nanospan._common.environment import variable_text
from nanospan._compat.sdk import forget_logger_provider, forget_meter_provider
from nanospan._install import install_if_asked_for

__all__ = ["before_instrumentations", "start"]

_CONFIGURATOR = "OTEL_PYTHON_CONFIGURATOR"
_THREADS = "OTEL_PYTHON_NANOSPAN_THREADS"
_AUTO_INSTRUMENTATION = "opentelemetry.instrumentation.auto_instrumentation"


def start(other_sitecustomize: str | None = None) -> None:
    """Start tracing in this process. ``other_sitecustomize`` is the file of the one that runs next, if there is one.

    The instrumentations that are installed are found by the package that they all need, opentelemetry-instrumentation. If
    its own `sitecustomize` runs next, that does it.
    """
    if _is_helper_process():
        return
    from nanospan._bootstrap.default_provider import give_way_to_the_programs, is_configured_by_variables
    from nanospan._bootstrap.instrumentations import restarted_by_the_program
    from nanospan._compat.sdk import global_tracer_provider
    from nanospan._endings import send_before_every_end
    from nanospan._install import install

    install()
    send_before_every_end()
    # Before a distribution sets variables.
    is_hidden = variable_text(_CONFIGURATOR) in ("", "nanospan") and not is_configured_by_variables()
    exporter = os.environ.get(OTEL_TRACES_EXPORTER)
    named = os.environ.get(_CONFIGURATOR)
    if not variable_text(_CONFIGURATOR):
        os.environ[_CONFIGURATOR] = "nanospan"
    global _starts
    _starts = True
    has_instrumentations = find_spec("opentelemetry.instrumentation") is not None and find_spec(_AUTO_INSTRUMENTATION)
    if has_instrumentations and other_sitecustomize is not None and _is_theirs(other_sitecustomize):
        return
    if has_instrumentations:
        from nanospan._bootstrap.django import django_waits_for_its_settings

        with _other_configurators_unsaid(), restarted_by_the_program(), django_waits_for_its_settings():
            import_module(_AUTO_INSTRUMENTATION).initialize()
        if exporter is None:
            os.environ.pop(OTEL_TRACES_EXPORTER, None)  # a distribution's default, which children would take for the user's
    if global_tracer_provider() is None and os.environ[_CONFIGURATOR] == "nanospan":
        # No instrumentations, or no metadata of nanospan's package by which they would find its configurator.
        from nanospan.configurator import Configurator

        Configurator().configure()
        before_instrumentations()
    if named is None:
        del os.environ[_CONFIGURATOR]
    give_way_to_the_programs(is_hidden=is_hidden)


_starts = False
"""Whether `start` has begun in this process."""


def before_instrumentations() -> None:
    """Called, as an entry point, by whatever starts the instrumentations: opentelemetry-instrument or `start`.

    The SDK's configuration sets a provider of metrics and one of logs even if they export nothing. Under `nanospan run` the
    program can set its own then, as it can without.
    """
    install_if_asked_for()
    if variable_text(_THREADS):
        from nanospan.concurrency import ThreadingInstrumentor

        ThreadingInstrumentor().instrument()
    if _starts and not variable_text("OTEL_CONFIG_FILE"):
        if _is_idle("OTEL_METRICS_EXPORTER"):
            forget_meter_provider()
        if _is_idle("OTEL_LOGS_EXPORTER"):
            forget_logger_provider()


@contextmanager
def _other_configurators_unsaid() -> Iterator[None]:
    """Without the warning about each configurator that is installed and not used, such as that of opentelemetry-distro."""
    logger = logging.getLogger(f"{_AUTO_INSTRUMENTATION}._load")

    def is_other(record: logging.LogRecord) -> bool:
        return not (str(record.msg).startswith("Configuration of %s not loaded") and os.environ[_CONFIGURATOR] == "nanospan")

    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


def _is_idle(variable: str) -> bool:
    return variable_text(variable).lower() in ("", "none")


def _is_helper_process() -> bool:
    """Whether this is multiprocessing's resource tracker, which runs none of the program's code."""
    return any("multiprocessing.resource_tracker" in argument for argument in sys.orig_argv)


def _is_theirs(sitecustomize: str) -> bool:
    return os.path.normpath(sitecustomize).endswith(os.path.join("auto_instrumentation", "sitecustomize.py"))
