"""The classes under test: the SDK's, or nanospan's, assigned or installed. The script's first argument says which.

Under `nanospan run` (run) a script does what it does with the SDK (stock).
"""

from __future__ import annotations

import json
import sys
from typing import Any

from opentelemetry.sdk import trace
from opentelemetry.sdk.trace import export

NATIVE = sys.argv[1] in ("nanospan", "installed")
CASE = sys.argv[2]

if NATIVE:
    from nanospan import BatchSpanProcessor, TracerProvider
else:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider

    class BatchSpanProcessor(export.BatchSpanProcessor):
        """With the exporter that nanospan's makes by itself."""

        def __init__(self) -> None:
            super().__init__(OTLPSpanExporter())


def substitute() -> None:
    """Let libraries that construct the SDK's classes, or derive from them, find those under test there.

    To be called before the library is imported, as an application would.
    """
    if sys.argv[1] == "installed":
        import nanospan

        nanospan.install()
        return
    trace.TracerProvider = TracerProvider
    if NATIVE:
        export.BatchSpanProcessor = BatchSpanProcessor


def report(provider: trace.TracerProvider, **findings: Any) -> None:
    """Print the classes of the provider and what was found, for the test to read."""
    providers = [f"{cls.__module__}.{cls.__qualname__}" for cls in type(provider).__mro__]
    print(json.dumps({"providers": providers, **findings}))
