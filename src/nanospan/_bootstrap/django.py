"""Django's instrumentation, started when Django's settings are known.

It puts a middleware into the settings. When a process starts they cannot be read: the program names their module later, and
the folder of the module is not on ``sys.path`` yet. The instrumentation then configures Django with empty settings, with
which no application works.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from nanospan._endings.after_import import after_import

__all__ = ["django_waits_for_its_settings"]

logger = logging.getLogger(__name__)

_NAME = "django"
_DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
"""The variable with the names, or ``*``, of the instrumentations that are not started."""


@contextmanager
def django_waits_for_its_settings() -> Iterator[None]:
    """Leave Django out where the instrumentations are started, and start its own when Django makes its middlewares."""
    given = os.environ.get(_DISABLED)
    names = [name.strip() for name in (given or "").split(",") if name.strip()]
    found = list(entry_points(group="opentelemetry_instrumentor", name=_NAME))
    if not found or _NAME in names or "*" in names:
        yield
        return
    os.environ[_DISABLED] = ",".join([*names, _NAME])
    try:
        yield
    finally:
        if given is None:
            del os.environ[_DISABLED]
        else:
            os.environ[_DISABLED] = given
    after_import("django.core.handlers.base", functools.partial(_hook_handler, found[0]))


def _hook_handler(instrumentor: Any, module: ModuleType) -> None:
    """``instrumentor`` is the entry point."""
    handler = getattr(module, "BaseHandler", None)
    load_middleware = getattr(handler, "load_middleware", None)
    if handler is None or load_middleware is None:
        logger.warning("Django is not traced: the installed release has no BaseHandler.load_middleware")
        return

    @functools.wraps(load_middleware)
    def instrument_and_load(self: Any, *arguments: Any, **named: Any) -> Any:
        handler.load_middleware = load_middleware
        try:
            django = instrumentor.load()()
            if not django.is_instrumented_by_opentelemetry:  # by the program, with arguments of its own
                django.instrument()
        except Exception as error:
            logger.warning("Django is not traced: its instrumentation failed with %s: %s", type(error).__name__, error)
        return load_middleware(self, *arguments, **named)

    handler.load_middleware = instrument_and_load
