"""Ends one span and waits for a signal, in which it has no part."""

from __future__ import annotations

import signal
import sys
import time

from opentelemetry import trace

if sys.argv[1] == "own":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
with trace.get_tracer("program").start_as_current_span("span"):
    pass
print("ready", flush=True)
time.sleep(600)
