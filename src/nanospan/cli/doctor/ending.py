"""The end of the command, also where the application that it has loaded would not let it end."""

from __future__ import annotations

import os
import sys
import threading
from typing import NoReturn

import click

from nanospan._compat.sdk import global_tracer_provider

__all__ = ["end"]


def end(status: int) -> NoReturn:
    """End the process with ``status``.

    Threads that the application has started and that Python would wait for, such as servers, are said and left behind; the
    spans that it has made are sent before.
    """
    waited_for = [
        thread.name for thread in threading.enumerate() if not thread.daemon and thread is not threading.current_thread()
    ]
    if not waited_for:
        raise click.exceptions.Exit(status)
    names = ", ".join(waited_for)
    click.echo(f"The application has started threads that did not end; the doctor ends without them: {names}", err=True)
    shutdown = getattr(global_tracer_provider(), "shutdown", None)
    if shutdown is not None:
        shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)
