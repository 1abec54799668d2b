"""``subinterpreters.py before|after``: what subinterpreters get that import nanospan, before or after the main one does."""

from __future__ import annotations

import json
import os
import sys

try:
    import _interpreters as interpreters

    # One that shares the interpreter lock and takes any module, as mod_wsgi makes it; one of concurrent.interpreters.
    KINDS = [("legacy",), ("isolated",)]
    make = interpreters.create
except ImportError:
    import _xxsubinterpreters as interpreters

    KINDS = [(False,), (True,)]

    def make(isolated: bool) -> object:
        return interpreters.create(isolated=isolated)


ATTEMPT = """
import os, sys
sys.path[:] = {path!r}
try:
    import nanospan
except BaseException as error:
    answer = type(error).__name__ + ": " + str(error)
else:
    answer = "imported"
os.write({descriptor}, answer.encode())
"""


def attempt(kind: tuple[object]) -> str:
    reader, writer = os.pipe()
    interpreter = make(*kind)
    interpreters.run_string(interpreter, ATTEMPT.format(path=sys.path, descriptor=writer))
    interpreters.destroy(interpreter)
    os.close(writer)
    with open(reader) as stream:
        return stream.read()


def try_all() -> None:
    print(json.dumps({"answers": [attempt(kind) for kind in KINDS]}), flush=True)


def main() -> None:
    if sys.argv[1] == "before":
        try_all()
    from app import App  # not at the top: it imports nanospan

    app = App()
    app.end_spans("span", 10)
    if sys.argv[1] == "after":
        try_all()


if __name__ == "__main__":
    main()
