from collections.abc import Iterable, Sequence
from typing import Any, Self

from opentelemetry.sdk.trace import ReadableSpan

KEY_FLAGS: dict[str, int]
DETECT_ALL: int
MAX_BYTES_DEFAULT: int
ABSENT: object
"""What a rule gives for a value that does not leave the process."""

class Withheld(Exception): ...

class Redactor:
    def __new__(
        cls,
        *,
        detectors: int = ...,
        max_bytes: int = ...,
        keys: Iterable[tuple[str, int]] = (),
        literals: Iterable[str] = (),
        marker: str | None = None,
    ) -> Self: ...

class Contract:
    conventions: Any
    redaction: Any
    findings: Any

    def __new__(
        cls, conventions: Any, redaction: Any, findings: Any, first_sight: Any, cut_lengths: Sequence[int] = ()
    ) -> Self: ...
    def allowed_span(self, span: ReadableSpan) -> ReadableSpan | None: ...
    def collect(self) -> None: ...
    def secrets(self) -> list[int]: ...
    def counts(self) -> dict[str, int]: ...
