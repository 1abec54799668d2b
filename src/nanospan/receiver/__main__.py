"""``python -m nanospan.receiver``: a receiver for scripts and tests.

Prints one line of JSON, ``{"http_port": ..., "grpc_port": ..., "pid": ...}``, when it is ready, and serves
until SIGTERM, SIGINT or, with ``--exit-on-eof``, the end of its standard input. ``GET /stats`` answers the
counts.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading

from nanospan.receiver.server import Receiver
from nanospan.receiver.store import DEFAULT_MAX_BYTES, DEFAULT_MAX_TRACES, TraceStore


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m nanospan.receiver", description="An OTLP trace receiver.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="OTLP/HTTP port, 0 for any free one (the default)")
    parser.add_argument("--grpc-port", type=int, default=0, help="OTLP/gRPC port, 0 for any free one (the default)")
    parser.add_argument("--no-grpc", action="store_true", help="serve OTLP/HTTP only")
    parser.add_argument("--count-only", action="store_true", help="count spans and keep none")
    parser.add_argument("--max-traces", type=int, default=DEFAULT_MAX_TRACES, help="traces to keep")
    parser.add_argument("--max-bytes", type=int, default=DEFAULT_MAX_BYTES, help="bytes of the traces to keep")
    parser.add_argument("--exit-on-eof", action="store_true", help="end when standard input does")
    arguments = parser.parse_args()
    for name in ("max_traces", "max_bytes"):
        if getattr(arguments, name) < 1:
            parser.error(f"argument --{name.replace('_', '-')}: must be at least 1")
    return arguments


def main() -> None:
    arguments = _arguments()
    # sigwait instead of a handler: a signal just before the main thread waits for a lock does not wake it, and the handler
    # would not run. Threads that are started from here on inherit the blocked signals.
    endings = {signal.SIGTERM, signal.SIGINT}
    if arguments.exit_on_eof:
        # Ctrl-C reaches the whole process group; the parent, which owns the other end of stdin, decides.
        endings.remove(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, endings)
    try:
        receiver = Receiver(
            host=arguments.host,
            http_port=arguments.port,
            grpc_port=None if arguments.no_grpc else arguments.grpc_port,
            store=TraceStore(
                count_only=arguments.count_only, max_traces=arguments.max_traces, max_bytes=arguments.max_bytes
            ),
        )
    except OSError as error:
        sys.exit(f"nanospan.receiver: {error}")
    with receiver:
        if arguments.exit_on_eof:
            threading.Thread(target=_wait_for_eof, daemon=True).start()
        ports = {"http_port": receiver.http_port, "grpc_port": receiver.grpc_port, "pid": os.getpid()}
        try:
            print(json.dumps(ports), flush=True)
        except BrokenPipeError:
            os._exit(0)  # whoever started this process has ended
        signal.sigwait(endings)


def _wait_for_eof() -> None:
    # Not sys.stdin: a daemon thread would own its lock at interpreter exit.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
