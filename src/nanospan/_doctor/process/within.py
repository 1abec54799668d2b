"""`nanospan.doctor` within another process, by ``sys.remote_exec`` of CPython 3.14 (PEP 768).

The process has no part of this until then: no thread, no file, no signal handler. Its main thread runs the script when it
next runs Python code, and the script starts a thread, which examines and writes the report to a file in a folder that only
this user can enter.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nanospan._common.waiting import Waiters
from nanospan._doctor.process.proc import Process

__all__ = ["WithinError", "diagnose_within"]

GRACE_SECONDS = 5.0
"""For the main thread of the process to get to the script, besides the time for the endpoints."""
MAX_ANSWER_BYTES = 16 << 20

_SCRIPT = """
import threading

def examine():
    import json, os, sys
    try:
        if "nanospan" not in sys.modules:
            raise ImportError("nanospan is not imported there")
        from nanospan._doctor.diagnose import diagnose
        answer = {"report": diagnose(timeout=TIMEOUT).as_dict()}
    except BaseException as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    try:
        with open(FOLDER + "/part", "x") as file:
            json.dump(answer, file, default=str)
        os.rename(FOLDER + "/part", FOLDER + "/answer")
    except OSError:
        pass  # whoever asked has gone

threading.Thread(target=examine, name="nanospan-doctor", daemon=True).start()
"""
_SCRIPT_THAT_COMES_TOO_LATE = "import shutil; shutil.rmtree(FOLDER, ignore_errors=True)"


class WithinError(Exception):
    """The process cannot be examined within; the message says why, and ``do`` what to do."""

    def __init__(self, says: str, do: str) -> None:
        super().__init__(says)
        self.do = do


def diagnose_within(process: Process, timeout: float) -> dict[str, Any]:
    """What `nanospan.doctor` says in ``process``, as values of JSON. Raises WithinError."""
    remote_exec = _remote_exec(process)
    with _folder(process) as (here, there):
        script = here / "script.py"
        _write(script, _SCRIPT, there, timeout)
        try:
            remote_exec(process.pid, f"{there}/script.py")
        except (RuntimeError, OSError) as error:
            do = "Unset PYTHON_DISABLE_REMOTE_DEBUG for it; let this user trace it (kernel.yama.ptrace_scope); else run "
            raise WithinError(f"its memory cannot be read: {error}", f"{do}print(nanospan.doctor()) in it.") from error
        answer = here / "answer"
        if not Waiters().wait_until(answer.exists, timeout + GRACE_SECONDS):
            raise _Silent
        return _read(answer)


class _Silent(WithinError):
    def __init__(self) -> None:
        super().__init__(
            "it did not answer: its main thread waits in a call and runs no Python code",
            "Try again when it has something to do, such as a request.",
        )


def _remote_exec(process: Process) -> Any:
    version = tuple(map(int, process.python.split(".")))
    in_it = "print(nanospan.doctor()) in it shows them."
    unseen = "its provider, sampler, queues and drops are in its memory"
    if version < (3, 14):
        raise WithinError(
            f"{unseen}, into which CPython {process.python} lets nobody from outside", f"{in_it} CPython 3.14 can be asked."
        )
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if own != process.python:
        says = f"{unseen}, which only CPython {process.python} can be let into, and this is {own}"
        raise WithinError(says, f"Run the doctor with the interpreter of the process; or {in_it}")
    if process.users != {os.geteuid()}:
        raise WithinError(f"{unseen}, and it is another user's", f"Run the doctor as that user; or {in_it}")
    return getattr(sys, "remote_exec")  # noqa: B009  # no such name for type checkers of older versions


@contextlib.contextmanager
def _folder(process: Process) -> Iterator[tuple[Path, str]]:
    """A folder for this user alone: as this process sees it, and as the other does, which may be in a container."""
    root = f"/proc/{process.pid}/root"
    try:
        here = Path(tempfile.mkdtemp(prefix=f"nanospan-doctor-{process.pid}-", dir=f"{root}/tmp"))
    except OSError as error:
        says = f"its memory cannot be read: no file can be put into its /tmp ({error.strerror})"
        raise WithinError(says, "Run print(nanospan.doctor()) in it.") from error
    there = str(here).removeprefix(root)
    try:
        yield here, there
    except _Silent:
        # It may still run the script, and would complain if there were none.
        _write(here / "late", _SCRIPT_THAT_COMES_TOO_LATE, there, 0)
        (here / "late").rename(here / "script.py")
        raise
    except BaseException:
        shutil.rmtree(here, ignore_errors=True)
        raise
    shutil.rmtree(here, ignore_errors=True)


def _write(path: Path, script: str, folder: str, timeout: float) -> None:
    # One statement: it runs among the names of the program's main module, and is to leave none there.
    text = script.replace("FOLDER", repr(folder)).replace("TIMEOUT", repr(timeout))
    path.write_text(f"exec({text!r}, {{'__name__': 'nanospan-doctor'}})\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        text = file.read(MAX_ANSWER_BYTES + 1)
    try:
        answer: dict[str, Any] = json.loads(text) if len(text) <= MAX_ANSWER_BYTES else {"error": "its report is too long"}
        if "report" in answer:
            report: dict[str, Any] = answer["report"]
            return report
        reason: str = answer["error"]
    except (ValueError, TypeError, KeyError) as error:
        reason = f"its report cannot be read ({error})"
    raise WithinError(f"the examination within failed: {reason}", "Run print(nanospan.doctor()) in it.")
