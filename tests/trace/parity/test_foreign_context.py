"""A runtime context of somebody else's, chosen with ``OTEL_PYTHON_CONTEXT`` from an entry point."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support.parity.implementation import Implementation

RUNTIME = '''
import threading
from opentelemetry.context.context import Context, _RuntimeContext

calls = []

class StackContext(_RuntimeContext):
    """A stack for each thread, and no ContextVar."""

    def __init__(self):
        self._local = threading.local()

    def _stack(self):
        return self._local.__dict__.setdefault("stack", [Context()])

    def attach(self, context):
        calls.append("attach")
        self._stack().append(context)
        return len(self._stack())

    def get_current(self):
        return self._stack()[-1]

    def detach(self, token):
        calls.append("detach")
        del self._stack()[token - 1:]

class Broken(_RuntimeContext):
    def __init__(self):
        raise RuntimeError("cannot be made")
    attach = get_current = detach = None
'''

SCRIPT = """
import asyncio, contextvars, sys
from opentelemetry import baggage, context, trace
import stack_context
from opentelemetry.trace import INVALID_SPAN, get_current_span
if sys.argv[1] == "native":
    from nanospan import TracerProvider
else:
    from opentelemetry.sdk.trace import TracerProvider

tracer = TracerProvider(shutdown_on_exit=False).get_tracer("foreign")
expected = "StackContext" if sys.argv[2] == "used" else "ContextVarsRuntimeContext"
assert type(context._RUNTIME_CONTEXT).__name__ == expected, context._RUNTIME_CONTEXT

outer = context.attach(baggage.set_baggage("b", "1"))
with tracer.start_as_current_span("parent") as parent:
    assert get_current_span() is parent
    assert baggage.get_all() == {"b": "1"}
    with tracer.start_as_current_span("child") as child:
        assert child.parent == parent.get_span_context()
        assert tracer.start_span("grandchild").parent == child.get_span_context()
    assert get_current_span() is parent
    seen = contextvars.Context().run(get_current_span)
    assert (seen is parent) == (sys.argv[2] == "used"), seen
try:
    with tracer.start_as_current_span("failing"):
        raise ValueError
except ValueError:
    pass
assert get_current_span() is INVALID_SPAN

@tracer.start_as_current_span("decorated")
async def work():
    return get_current_span().name
assert asyncio.run(work()) == "decorated"
context.detach(outer)
print(*stack_context.calls)
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with the runtime context, a distribution that announces it, and the script."""
    (tmp_path / "stack_context.py").write_text(RUNTIME)
    (tmp_path / "script.py").write_text(SCRIPT)
    information = tmp_path / "stack_context-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: stack-context\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        textwrap.dedent("""\
            [opentelemetry_context]
            stack_context = stack_context:StackContext
            broken_context = stack_context:Broken
        """)
    )
    return tmp_path


def run(site: Path, implementation: Implementation, chosen: str, expected: str) -> list[str]:
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OTEL_PYTHON_CONTEXT": chosen}
    command = [sys.executable, str(site / "script.py"), implementation.name, expected]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.split()


def test_it_is_used(implementation: Implementation, site: Path) -> None:
    """For the baggage, four spans made active, and the coroutine's: every one goes through it."""
    calls = run(site, implementation, "stack_context", "used")
    assert calls == ["attach", "attach", "attach", "detach", "detach", *["attach", "detach"] * 2, "detach"]


@pytest.mark.parametrize("chosen", ["broken_context", "no_such_context", ""])
def test_contextvars_where_it_cannot_be_had(implementation: Implementation, site: Path, chosen: str) -> None:
    assert run(site, implementation, chosen, "unused") == []


BORROWED = """
import nanospan
from opentelemetry.trace import INVALID_SPAN, get_current_span

class Tracer:
    start_as_current_span = nanospan.Tracer.start_as_current_span

    def start_span(self, name, **arguments):
        return INVALID_SPAN

with Tracer().start_as_current_span("span") as span:
    assert get_current_span() is span
"""


def test_a_span_is_made_current_before_anybody_looked() -> None:
    """By a class that borrows the method, first thing in a process."""
    finished = subprocess.run([sys.executable, "-c", BORROWED], capture_output=True, text=True)
    assert (finished.returncode, finished.stderr) == (0, "")
