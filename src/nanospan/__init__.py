"""nanospan: the tracing runtime that makes OpenTelemetry in Python cost nanoseconds instead of microseconds."""

# ruff: noqa: E402
from __future__ import annotations

from typing import TYPE_CHECKING as _TYPE_CHECKING

from nanospan._common.main_interpreter import require_main_interpreter as _require_main_interpreter
from nanospan._compat.guarded_import import import_sdk_trace as _import_sdk_trace
from nanospan._compat.sdk_warnings import say_once as _say_once

_require_main_interpreter()
_import_sdk_trace()
_say_once()

from nanospan._compat.parts import report_missing as _report_missing
from nanospan._native.encoding import encode_spans
from nanospan.ids import RandomIdGenerator
from nanospan.processor import BatchSpanProcessor
from nanospan.trace import NonRecordingSpan, Span, Tracer, TracerProvider

if _TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider as _ApiTracerProvider

    from nanospan._doctor.report import Report as _Report
    from nanospan._install import install

__all__ = [
    "BatchSpanProcessor",
    "NonRecordingSpan",
    "RandomIdGenerator",
    "Span",
    "Tracer",
    "TracerProvider",
    "doctor",
    "encode_spans",
    "install",
]

_report_missing()

__version__: str
"""The version of the installed nanospan."""

if not _TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        # Loaded when it is asked for: the module that reads metadata alone takes a tenth of the time of this import.
        if name == "__version__":
            from nanospan._common.version import own_version

            value: object = own_version()
        elif name == "install":
            from nanospan import _install

            value = _install.install
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def doctor(provider: _ApiTracerProvider | None = None, *, timeout: float = 5.0) -> _Report:
    """Examine tracing in this process: what is wrong, and what to do about it.

    Reads the provider, its processors, queues and counts, sends an empty request to each endpoint of OTLP, and reads the
    environment and the installed versions. It changes nothing; spans go on meanwhile.

    Args:
        provider: The tracer provider; the global one if None.
        timeout: Seconds to wait for each endpoint, above 0.

    Returns a report: ``print`` shows it, the verdict first, in three lines; ``ok``, ``verdict``, ``findings`` and
    ``as_dict()`` are for programs.

    Raises:
        TypeError, ValueError: for an invalid argument, by name.
    """
    from nanospan._doctor.diagnose import diagnose

    return diagnose(provider, timeout=timeout)
