"""Tracing by a null object: the calls are there and do nothing at all."""

from __future__ import annotations


class NullSpan:
    """A span and its context manager in one; one instance serves every call."""

    __slots__ = ()

    def set_attribute(self, key: str, value: object) -> None:
        pass

    def end(self) -> None:
        pass

    def __enter__(self) -> NullSpan:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass


_SPAN = NullSpan()


class NullTracer:
    __slots__ = ()

    def start_span(self, name: str, **arguments: object) -> NullSpan:
        return _SPAN

    def start_as_current_span(self, name: str, **arguments: object) -> NullSpan:
        return _SPAN


class NullProvider:
    __slots__ = ()

    def get_tracer(self, *arguments: object) -> NullTracer:
        return NullTracer()

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True

    def shutdown(self) -> None:
        pass
