"""A program that starts an instrumentation, which `nanospan run` has started already, with each of its arguments in turn."""

from __future__ import annotations

import sys

from greeting import GreetingInstrumentor, greet

greet()
print(GreetingInstrumentor().is_instrumented_by_opentelemetry)
for hook in sys.argv[1:]:
    GreetingInstrumentor().instrument(**({"hook": hook} if hook else {}))
    greet()
print(GreetingInstrumentor().is_instrumented_by_opentelemetry)
