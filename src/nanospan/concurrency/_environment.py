"""Context in environment variables, for child processes of any language.

OpenTelemetry specification, "Environment Variables as Context Propagation Carriers": the fields of the global propagator, in
upper case, with an underscore for what no variable's name may have.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.propagate import get_global_textmap
from opentelemetry.propagators.textmap import Getter, Setter

from nanospan.concurrency._remote import inject

__all__ = ["context_from_environ", "environ_for_child"]


def _variable(field: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in field).upper()


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class _EnvironmentSetter(Setter[dict[str, str]]):
    def set(self, carrier: dict[str, str], key: str, value: str) -> None:
        # No variable can hold a NUL: the child could not be started.
        if "\0" not in value and _is_utf8(value):
            carrier[_variable(key)] = value


class _EnvironmentGetter(Getter[Mapping[str, str]]):
    def get(self, carrier: Mapping[str, str], key: str) -> list[str] | None:
        value = carrier.get(_variable(key))
        # Bytes that are no UTF-8 are surrogates in os.environ, for which the API's propagators raise.
        return None if value is None or not _is_utf8(value) else [value]

    def keys(self, carrier: Mapping[str, str]) -> list[str]:
        return [key.lower() for key in carrier]


def environ_for_child(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """A copy of ``env`` (default `os.environ`) for a child process: ``TRACEPARENT``, ``TRACESTATE`` and ``BAGGAGE`` of the
    current Context, or none of them where there is nothing to hand on."""
    child = dict(os.environ if env is None else env)
    propagator = get_global_textmap()
    for field in propagator.fields:
        child.pop(_variable(field), None)
    inject(propagator, child, None, _EnvironmentSetter())
    return child


def context_from_environ(environ: Mapping[str, str] | None = None) -> Context:
    """The Context that the variables (default `os.environ`) hold, empty if they hold none: to be attached at start-up, or
    read for a link."""
    return get_global_textmap().extract(
        os.environ if environ is None else environ, context=Context(), getter=_EnvironmentGetter()
    )
