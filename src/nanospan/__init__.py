"""nanospan: the tracing runtime that makes OpenTelemetry in Python cost nanoseconds instead of microseconds."""

# ruff: noqa: E402
from typing import TYPE_CHECKING as _TYPE_CHECKING

from nanospan._common.main_interpreter import require_main_interpreter as _require_main_interpreter
from nanospan._compat.guarded_import import import_sdk_trace as _import_sdk_trace
from nanospan._compat.sdk_warnings import say_once as _say_once

_require_main_interpreter()
_import_sdk_trace()
_say_once()

from nanospan._native.encoding import encode_spans
from nanospan.ids import RandomIdGenerator
from nanospan.processor import BatchSpanProcessor
from nanospan.trace import NonRecordingSpan, Span, Tracer, TracerProvider

__all__ = [
    "BatchSpanProcessor",
    "NonRecordingSpan",
    "RandomIdGenerator",
    "Span",
    "Tracer",
    "TracerProvider",
    "encode_spans",
]

__version__: str
"""The version of the installed nanospan."""

if not _TYPE_CHECKING:

    def __getattr__(name: str) -> str:
        # Read when it is asked for: the module that reads metadata takes a tenth of the time of this import.
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from nanospan._common.version import own_version

        globals()[name] = version = own_version()
        return version
