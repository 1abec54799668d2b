"""With the variable WITNESS, the process prints a line when Python has handled the signals that came before SIGRTMIN."""

from __future__ import annotations

import os
import signal


def testify(number, frame):
    os.write(1, f"witness {os.getpid()}\n".encode())


if os.environ.get("WITNESS"):
    signal.signal(signal.SIGRTMIN, testify)
