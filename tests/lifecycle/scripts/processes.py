"""``processes.py <start method> [flush | late]``: spans of multiprocessing's children, ``late`` of exit handlers too."""

from __future__ import annotations

import atexit
import multiprocessing
import sys

from app import App, report

CHILDREN = 3
SPANS = 10

# At the top, as applications have it: a forked child inherits it, a spawned one makes it anew.
app = App()


def work(child: int) -> None:
    report(first=app.processor.stats())
    app.end_spans(f"child{child}", SPANS)
    if "late" in sys.argv:
        atexit.register(app.end_spans, f"late{child}", SPANS)
    if "flush" in sys.argv:
        report(flushed=app.processor.force_flush())


if __name__ == "__main__":
    app.end_spans("parent", SPANS)
    context = multiprocessing.get_context(sys.argv[1])
    children = [context.Process(target=work, args=(number,)) for number in range(CHILDREN)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        report(child_code=child.exitcode)
