"""The receiver in a process of its own: it shares no interpreter lock with what is measured."""

from __future__ import annotations

import http.client
import json
import select
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

from nanospan.receiver.decode import Span, spans_from_json
from nanospan.receiver.http_server import TRACES_PATH
from nanospan.receiver.store import DEFAULT_MAX_BYTES, DEFAULT_MAX_TRACES, TraceSummary

__all__ = ["ReceiverProcess"]

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.02
_REQUEST_TIMEOUT_SECONDS = 30.0
_STOP_TIMEOUT_SECONDS = 10.0


class ReceiverProcess:
    """Runs ``python -m nanospan.receiver`` from construction until `stop`; also a context manager.

    ``count_only`` counts and keeps no spans. ``port`` and ``grpc_port`` may be 0 for any free port;
    ``grpc_port=None`` leaves gRPC out. The process ends with its parent, however that ends.
    Raises RuntimeError when it does not report its ports within ``start_timeout`` seconds.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        grpc_port: int | None = 0,
        count_only: bool = True,
        max_traces: int = DEFAULT_MAX_TRACES,
        max_bytes: int = DEFAULT_MAX_BYTES,
        start_timeout: float = 60.0,
    ) -> None:
        command = [sys.executable, "-m", "nanospan.receiver", "--exit-on-eof", "--port", str(port)]
        command += ["--max-traces", str(max_traces), "--max-bytes", str(max_bytes)]
        command += ["--no-grpc"] if grpc_port is None else ["--grpc-port", str(grpc_port)]
        if count_only:
            command.append("--count-only")
        # Ctrl-C in the terminal is for the process that started this one, whose end it follows.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
        try:
            ports = json.loads(self._first_line(start_timeout))
        except ValueError as error:
            self.stop()
            raise RuntimeError(
                f"the receiver did not start within {start_timeout:g} s "
                f"(exit code {self._process.returncode}; its messages are on standard error)"
            ) from error
        except BaseException:  # Ctrl-C
            self.stop()
            raise
        self.http_port: int = ports["http_port"]
        self.grpc_port: int | None = ports["grpc_port"]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def endpoint_http(self) -> str:
        """The whole URL, with path, as OTLP/HTTP exporters take it for ``endpoint``."""
        return f"http://{_HOST}:{self.http_port}{TRACES_PATH}"

    @property
    def endpoint_grpc(self) -> str | None:
        """The URL as OTLP/gRPC exporters take it for ``endpoint``; None when gRPC is off."""
        return None if self.grpc_port is None else f"http://{_HOST}:{self.grpc_port}"

    def stats(self) -> dict[str, int]:
        """The counts of `nanospan.receiver.store.ReceiverStats`; OSError when the process is gone."""
        counts: dict[str, int] = json.loads(self._get("/stats"))
        return counts

    def summaries(self) -> list[TraceSummary]:
        """The kept traces, the most recently touched last; OSError when the process is gone."""
        return [
            TraceSummary(**(fields | {"services": tuple(fields["services"])})) for fields in json.loads(self._get("/traces"))
        ]

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of a kept trace; LookupError when it is not kept, OSError when the process is gone."""
        return spans_from_json(self._get(f"/traces/{trace_id}"))

    def wait_for_spans(self, count: int, timeout: float) -> bool:
        """Wait until ``count`` spans have arrived in all; False when ``timeout`` seconds pass first."""
        deadline = time.monotonic() + timeout
        while self.stats()["spans"] < count:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def stop(self) -> None:
        """End the process. Idempotent."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _first_line(self, timeout: float) -> bytes:
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], timeout)
        return self._process.stdout.readline() if readable else b""

    def _get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection(_HOST, self.http_port, timeout=_REQUEST_TIMEOUT_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise LookupError(f"the receiver answered {response.status} for {path}")
        return body
