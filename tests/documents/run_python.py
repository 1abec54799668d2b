"""Runs a block of Python in this process, then uses what it made: ``python run_python.py FILE``.

Prints whether a provider that it made exports: then a span with an error, which every sampler and policy of the pages that
decide on ends keeps, has been sent.
"""

from __future__ import annotations

import sys
from pathlib import Path

from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import StatusCode

import nanospan

file = Path(sys.argv[1])
names: dict[str, object] = {"__name__": "__main__"}
exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), names)

for sampler in [value for value in names.values() if isinstance(value, Sampler)]:
    nanospan.TracerProvider(sampler=sampler).get_tracer("after").start_span("by the sampler").end()
exports = False
for provider in [value for value in names.values() if isinstance(value, nanospan.TracerProvider)]:
    span = provider.get_tracer("after").start_span("after the block")
    span.set_status(StatusCode.ERROR)
    span.end()
    provider.shutdown()
    exports = exports or "BatchSpanProcessor" in repr(provider)
print("exports" if exports else "exports nothing")
