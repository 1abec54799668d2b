"""The instrumentations that were started for the program give way to the program's own call of ``instrument``.

An instrumentation refuses a second call, and packages ask before they make one. Under `nanospan run` the first is the
default, with the default provider, and the program means its own arguments: its provider, its hooks.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

__all__ = ["restarted_by_the_program"]

logger = logging.getLogger(__name__)


@contextmanager
def restarted_by_the_program() -> Iterator[None]:
    """Let the first call of ``instrument``, of each instrumentation that is started in this context, start it anew.

    Until then it says that it is not instrumented. A call without arguments asks for what it has already. Needs the package
    opentelemetry-instrumentation.
    """
    BaseInstrumentor: Any = import_module("opentelemetry.instrumentation.instrumentor").BaseInstrumentor
    instrument, is_instrumented = BaseInstrumentor.instrument, BaseInstrumentor.is_instrumented_by_opentelemetry
    started: set[type] = set()

    def start(self: Any, **arguments: Any) -> Any:
        result = instrument(self, **arguments)
        started.add(type(self))
        return result

    def start_anew(self: Any, **arguments: Any) -> Any:
        """Instrument the library; what `nanospan run` has started gives way, any other does not."""
        if type(self) in started:
            started.discard(type(self))
            if is_instrumented.fget(self):
                if not arguments:
                    return None
                try:
                    self.uninstrument()
                except Exception as error:
                    logger.warning("%s stays as nanospan run has started it: %s", type(self).__qualname__, error)
                    return None
        return instrument(self, **arguments)

    def is_instrumented_by_opentelemetry(self: Any) -> Any:
        return type(self) not in started and is_instrumented.fget(self)

    BaseInstrumentor.instrument = start
    try:
        yield
    finally:
        BaseInstrumentor.instrument = start_anew
        BaseInstrumentor.is_instrumented_by_opentelemetry = property(is_instrumented_by_opentelemetry)
