"""Puts nanospan's TracerProvider, Tracer and Span in the place of the SDK's, for other projects' own tests.

``NANOSPAN_IN_PLACE_NAMES`` says which names: ``spans``, only these (the default); ``all``, all that `nanospan.install` puts
in place; ``exporters``, the exporters' names too. With ``NANOSPAN_IN_PLACE_THREADS=1`` `instrument_threads` is on.

Imported by the ``sitecustomize`` that the ``run_suite`` fixture writes, so that it comes before every import of a test and
reaches the processes that tests start. ``NANOSPAN_IN_PLACE=0`` leaves the SDK's classes where they are. It is a pytest
plugin too, which counts the spans that reach a SimpleSpanProcessor: the one processor that nearly every suite uses.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections import Counter
from types import ModuleType
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk_trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

IN_PLACE = os.environ.get("NANOSPAN_IN_PLACE", "1") == "1"

spans: Counter[str] = Counter()
in_place: list[str] = []
_import_again = importlib.reload


def put_in_place(home: ModuleType, replacements: dict[str, Any]) -> None:
    """Binds each name of the module ``home`` anew, there and wherever an OpenTelemetry module has copied it."""
    stock = {name: getattr(home, name) for name in replacements}
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] != "opentelemetry":
            continue
        for name, replacement in replacements.items():
            if getattr(module, name, None) is stock[name]:
                setattr(module, name, replacement)


def reload(module: ModuleType) -> ModuleType:
    """``importlib.reload`` of everything but ``opentelemetry.sdk.trace``.

    The SDK's tests load that module again after they have changed the environment. It reads the environment when a provider
    or its limits are made, not when it is loaded, so nothing is lost; loaded again it would bring back the SDK's classes.
    """
    return module if module is sdk_trace else _import_again(module)


def count_span(_processor: SimpleSpanProcessor, span: sdk_trace.Span, parent_context: Context | None = None) -> None:
    spans["native" if IN_PLACE and isinstance(span, nanospan.Span) else "other"] += 1


def pytest_terminal_summary(terminalreporter) -> None:
    terminalreporter.write_line(f"spans counted: {json.dumps(spans)}")
    terminalreporter.write_line(f"in place: {json.dumps(in_place)}")


if IN_PLACE:
    import nanospan

    if (names := os.environ.get("NANOSPAN_IN_PLACE_NAMES", "spans")) != "spans":
        in_place += nanospan.install(exporters=names == "exporters").replaced
    else:
        put_in_place(
            sdk_trace, {"TracerProvider": nanospan.TracerProvider, "Tracer": nanospan.Tracer, "_Span": nanospan.Span}
        )
    if os.environ.get("NANOSPAN_IN_PLACE_THREADS") == "1":
        from nanospan.concurrency import instrument_threads

        instrument_threads()
    importlib.reload = reload
SimpleSpanProcessor.on_start = count_span
