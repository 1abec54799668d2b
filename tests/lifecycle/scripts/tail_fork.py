"""``tail_fork.py [os|libc]``: an application that samples by trace and forks while it holds traces.

``libc`` forks as uWSGI does: by the C library's function, past Python's hooks.
"""

from __future__ import annotations

import ctypes
import os
import sys

from app import App, report
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from nanospan import tail

fork = ctypes.PyDLL(None).fork if sys.argv[1:] == ["libc"] else os.fork

app = App(tail_sampling=tail.TailSampling([tail.StatusCode("ERROR")], decision_wait=3600.0))


def begin(name: str):
    """A root that is open, with a child that has ended in an error."""
    root = app.tracer.start_span(f"{name} root")
    child = app.tracer.start_span(f"{name} child", set_span_in_context(root))
    child.set_status(Status(StatusCode.ERROR))
    child.end()
    return root


held = begin("parent")
report(before=app.processor.stats()["held"])
pid = fork()
if not pid:
    report(in_child=app.processor.stats())
    begin("child").end()
    app.tracer.start_span("child without an error").end()
    held.end()  # the parent's: its trace is not known here
    sys.exit(0)
report(child_code=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
report(after=app.processor.stats()["held"])
held.end()
begin("last")  # still open at the end
