"""Starting, watching and ending the processes of a soak."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["Receiver", "Started", "complaints", "is_flat", "resident_bytes"]

HERE = Path(__file__).parent
PATIENCE = 150.0
"""Seconds after which a process that should have ended is taken to hang."""
TOLERANCE_BYTES = 4 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")


def environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "GRPC_")) and not name.lower().endswith("_proxy")
    }
    return kept | {"PYTHONFAULTHANDLER": "1", "GRPC_VERBOSITY": "NONE"}


class Receiver:
    """The failing receiver, in a process of its own."""

    def __init__(self, folder: Path, seed: int, calm: bool = False) -> None:
        command = [sys.executable, str(HERE / "receiver.py"), "--folder", str(folder), "--seed", str(seed)]
        self._process = subprocess.Popen(
            command + ["--calm"] * calm, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        )
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], 60)[0]:
            self._process.kill()
            raise RuntimeError("the receiver did not start")
        self.ports: dict[str, int] = json.loads(self._process.stdout.readline())

    def stop(self) -> dict[str, int]:
        """Ends it; returns how often each fault struck."""
        stdout, _ = self._process.communicate("", timeout=60)
        if self._process.returncode:
            raise RuntimeError(f"the receiver ended with {self._process.returncode}")
        return json.loads(stdout)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class Started:
    """A traced process with all the children that it forks, in a session of its own."""

    def __init__(self, script: str, settings: dict[str, Any], folder: Path) -> None:
        self.key: str = settings["key"]
        self.errors = folder / f"{self.key}.stderr"
        command = [sys.executable, "-W", "ignore::DeprecationWarning", str(HERE / script), json.dumps(settings)]
        with self.errors.open("wb") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True, env=environment()
            )
        self.killed = False

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Exit code; negative for a signal; None while it runs."""
        return self._process.poll()

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL to it and everything that it forked."""
        self.killed = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait(self) -> str | None:
        """Waits for its end; None if it came, else the complaint. faulthandler then shows where it hangs."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self._process.poll() is not None:
                return None
            time.sleep(0.01)
        os.killpg(self._process.pid, signal.SIGABRT)
        self._process.wait()
        return f"{self.key} did not end; its stacks are in {self.errors}"


def complaints(folder: Path, expected: tuple[str, ...] = ()) -> list[str]:
    """What the processes said that no process should say."""
    found = []
    for path in sorted(folder.glob("*.stderr")):
        for line in path.read_text(errors="replace").splitlines():
            bad = line.startswith(("Traceback", "Exception ignored", "Fatal Python error")) or "unexpectedly" in line
            if bad and path.stem not in expected:
                found.append(f"{path.name}: {line}")
    return found


def resident_bytes(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return None


def is_flat(samples: list[int]) -> tuple[bool, int]:
    """Whether the median of the last quarter is about that of the second (the first warms up), and by how much more."""
    quarter = len(samples) // 4
    if not quarter:
        return True, 0
    grown = int(median(samples[-quarter:]) - median(samples[quarter : 2 * quarter]))
    return grown <= TOLERANCE_BYTES, grown
