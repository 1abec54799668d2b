"""What the environment sets, what of it counts as unset, and what nobody reads."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from nanospan._common.environment import boolean_variable, collected_warnings, variable_text
from nanospan._common.log import one_line
from nanospan._compat.inspection import configurator_ran
from nanospan._doctor.processors import Examined
from nanospan._doctor.report import Finding, Level
from nanospan._doctor.samplers import describe_sampler
from nanospan._doctor.variables import ZERO_CODE, is_candidate, missing_package, near
from nanospan.export._settings.endpoint import resolve_grpc_endpoint, resolve_http_endpoint
from nanospan.export._settings.environment import (
    resolve_compression,
    resolve_insecure,
    resolve_protocol,
    resolve_timeout,
)
from nanospan.processor._settings import resolve_settings
from nanospan.sampling.configuration.environment import provider_sampler
from nanospan.trace._clock import follows_python
from nanospan.trace._span_limits import span_limits_from_environment

__all__ = ["check_environment", "check_sampler_variable", "list_variables"]

logger = logging.getLogger(__name__)

_SECRET = re.compile(r"HEADERS|KEY$|TOKEN|SECRET|PASSWORD|CREDENTIAL")
_USERINFO = re.compile(r"(^|//)[^/?#\s]*@")
_QUERY = re.compile(r"\?.*", re.DOTALL)


def list_variables() -> list[dict[str, Any]]:
    """The variables about tracing that are set, without what may be secret."""
    return [{"name": name, "value": _public(name, value)} for name, value in _set_variables()]


def _set_variables() -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in os.environ.items() if is_candidate(name))


def _public(name: str, value: str) -> str:
    if _SECRET.search(name.upper()):
        return "(set)" if value.strip() else ""
    if "ENDPOINT" in name or "PROXY" in name.upper():
        value = _QUERY.sub("", _USERINFO.sub(r"\1", value))
    return one_line(value)


def check_environment(examined: Sequence[Examined], *, zero_code: bool = False) -> Iterator[Finding]:
    """Findings about names and values. ``zero_code``: whether the provider was made from the environment."""
    ran = zero_code or configurator_ran()
    for name, value in _set_variables():
        yield from _check_name(name, value, ran)
    for says in _unusable():
        yield Finding(Level.WARNING, "environment", says, "Write what the line says.")
    sampler_argument = "OTEL_TRACES_SAMPLER_ARG"
    if variable_text(sampler_argument) and not variable_text("OTEL_TRACES_SAMPLER"):
        yield _unread(sampler_argument, "without OTEL_TRACES_SAMPLER", "Set OTEL_TRACES_SAMPLER too, or remove it.")
    yield from _check_endpoint(examined)


def _check_name(name: str, value: str, ran: bool) -> Iterator[Finding]:
    if not value.strip():
        return
    if (package := missing_package(name)) and not (ran and name in ZERO_CODE):  # `nanospan run` needs none to read it
        yield _unread(name, f"without {package}", "Install it, or remove the variable.")
    elif (meant := near(name)) is not None:
        do = f"Write {meant}." if meant else "Remove it, or correct its name."
        yield _unread(name, "", do)
    elif name in ZERO_CODE and not ran:
        do = "Start the application with opentelemetry-instrument, or say it in code."
        yield _unread(name, "where code makes the provider", do)


def _unread(name: str, where: str, do: str) -> Finding:
    return Finding(Level.WARNING, "environment", f"nobody reads {name}{' ' if where else ''}{where}", do)


def _unusable() -> list[str]:
    """What nanospan's readers say about values that count as unset, or as other ones."""
    with collected_warnings() as found:
        boolean_variable(logger, "OTEL_SDK_DISABLED")
        _ = resolve_grpc_endpoint(None, None) if resolve_protocol() == "grpc" else resolve_http_endpoint(None)
        resolve_timeout(None)
        resolve_compression(None)
        resolve_insecure(None)
        resolve_settings(None, None, None, None, None)
        span_limits_from_environment()
        follows_python()
        _sampler_of_the_variable()
    return list(found.values())


def _sampler_of_the_variable() -> Any:
    # The sampler of this name turns the cost meter on, for the process.
    return None if "overhead_budget" in variable_text("OTEL_TRACES_SAMPLER").lower() else provider_sampler()


def check_sampler_variable(sampler: Any) -> Iterator[Finding]:
    """Whether the sampler in use is the one that ``OTEL_TRACES_SAMPLER`` names."""
    if not variable_text("OTEL_TRACES_SAMPLER"):
        return
    with collected_warnings():
        named = _sampler_of_the_variable()
    if named is not None and describe_sampler(named) != describe_sampler(sampler):
        says = f"the sampler is {describe_sampler(sampler)}, not the {describe_sampler(named)} of OTEL_TRACES_SAMPLER"
        yield Finding(Level.WARNING, "environment", says, "Remove the argument sampler= in code, or the variable.")


def _check_endpoint(examined: Sequence[Examined]) -> Iterator[Finding]:
    names = [name for name in ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") if variable_text(name)]
    used = [one.endpoint for one in examined if one.answer is not None and one.endpoint is not None]
    if not names or not used:
        return
    with collected_warnings():
        wanted = {resolve_http_endpoint(None).display, resolve_grpc_endpoint(None, None).target}
    if wanted.isdisjoint(used):
        says = f"no exporter sends to the endpoint in {names[0]}, but to {', '.join(used)}"
        yield Finding(Level.WARNING, "environment", says, "Remove the argument endpoint= in code, or the variable.")
