"""The exporters that the variables name, for the SDK's configuration.

nanospan reads the names itself: the SDK knows them in lower case only, and one that it cannot load costs it the whole
configuration. Here it costs itself, with one warning. Traces whose variable is unset go to ``otlp``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Any

from opentelemetry import environment_variables as api_variables
from opentelemetry.sdk import environment_variables as variables
from opentelemetry.sdk.trace.export import SpanExporter

from nanospan._common.environment import parsed_variable, variable_text, warn_ignored, warn_once
from nanospan._compat.configuration import registered, registered_names
from nanospan.export._settings.environment import names_credential_provider, protocol_from, resolve_protocol

__all__ = ["exporter_names", "needs_official_exporter"]

logger = logging.getLogger(__name__)

GRPC = "nanospan_otlp_grpc"
HTTP = "nanospan_otlp_http"
_OFFICIAL = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
_PACKAGES = {name: f"opentelemetry-exporter-{name.replace('_', '-')}" for name in _OFFICIAL.values()}
_OWN = {"grpc": GRPC, "http/protobuf": HTTP}
_SDK_PROTOCOL = "grpc"
"""What the SDK takes ``otlp`` for where no variable names a protocol."""

_EXPORTER = {
    "traces": api_variables.OTEL_TRACES_EXPORTER,
    "metrics": api_variables.OTEL_METRICS_EXPORTER,
    "logs": api_variables.OTEL_LOGS_EXPORTER,
}
_PROTOCOLS = {
    "traces": (variables.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, variables.OTEL_EXPORTER_OTLP_PROTOCOL),
    "metrics": (variables.OTEL_EXPORTER_OTLP_METRICS_PROTOCOL, variables.OTEL_EXPORTER_OTLP_PROTOCOL),
    "logs": (variables.OTEL_EXPORTER_OTLP_LOGS_PROTOCOL, variables.OTEL_EXPORTER_OTLP_PROTOCOL),
}


def exporter_names(signal: str, arguments: Mapping[str, Any]) -> list[str]:
    """The entry points of the exporters of ``signal``, each of which can be loaded.

    ``arguments`` are those of the SDK's configuration: without a usable variable the traces go to ``otlp``, unless these
    name an exporter or a processor.
    """
    variable = _EXPORTER[signal]
    text = variable_text(variable)
    names = list(filter(None, (name.strip() for name in text.split(","))))
    wanted = [name for name in names if name.lower() != "none"]
    found = [entry for name in wanted for entry in _loadable(name, signal, variable, text, arguments)]
    if found or signal != "traces" or (names and not wanted):
        return found
    if arguments.get("trace_exporter_names") or arguments.get("span_processors"):
        return []
    return [_own(_available(resolve_protocol()), arguments)]


def _loadable(name: str, signal: str, variable: str, text: str, arguments: Mapping[str, Any]) -> Iterable[str]:
    """The entry point for ``name``; none, after a warning, if there is none or it cannot be loaded."""
    group = f"opentelemetry_{signal}_exporter"
    lost = "" if signal == "traces" else f", or none; no {signal} are exported"
    entry = registered(group, _entry_name(name, signal, arguments))
    if entry is None:
        if name.lower() == "otlp":  # of nanospan for traces, of a package for the others
            package = _PACKAGES[_entry_name(name, signal, arguments)]
            warn_ignored(logger, variable, text, f"none, or install {package}; no {signal} are exported")
            return ()
        known = ", ".join(_known_names(group, signal))
        warn_ignored(logger, variable, text, f"names of exporters that are installed ({known}) in place of {name}{lost}")
        return ()
    try:
        entry.load()
    except Exception as error:
        warn_once(logger, variable, text, f"names {name}, which cannot be loaded ({error}){lost}")
        return ()
    return (entry.name,)


def _known_names(group: str, signal: str) -> list[str]:
    names = set(registered_names(group))
    return sorted(names | {"otlp"} if signal == "traces" or names & set(_PACKAGES) else names)


def _entry_name(name: str, signal: str, arguments: Mapping[str, Any]) -> str:
    if name.lower() != "otlp":
        return name
    protocol = _named_protocol(signal)
    if signal != "traces":
        return _OFFICIAL[protocol or _SDK_PROTOCOL]
    if protocol is None and find_spec("grpc") is None:
        # gRPC is the SDK's default, not a choice of the user.
        logger.warning("grpcio is not installed: sending OTLP over HTTP, as with OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")
        return _own("http/protobuf", arguments)
    return _own(_available(protocol or _SDK_PROTOCOL), arguments)


def _named_protocol(signal: str) -> str | None:
    """The protocol that a variable names; None if none names a usable one, with a warning for one that names another."""
    for variable in _PROTOCOLS[signal]:
        if found := parsed_variable(logger, variable, protocol_from, "grpc or http/protobuf", _SDK_PROTOCOL):
            return found
    return None


def _available(protocol: str) -> str:
    """``protocol``, or HTTP, with a warning, for gRPC without grpcio: some distributions set gRPC unasked."""
    if protocol != "grpc" or find_spec("grpc") is not None:
        return protocol
    for variable in _PROTOCOLS["traces"]:
        if text := variable_text(variable):
            warn_ignored(logger, variable, text, "http/protobuf, or install nanospan[grpc]: grpcio is not there")
            break
    return "http/protobuf"


def _own(protocol: str, arguments: Mapping[str, Any]) -> str:
    """The entry point of nanospan's exporter for ``protocol``, or of the official one if a setting needs that."""
    official = _OFFICIAL[protocol]
    if needs_official_exporter(arguments) and registered("opentelemetry_traces_exporter", official) is not None:
        return official
    return _OWN[protocol]


def needs_official_exporter(arguments: Mapping[str, Any]) -> bool:
    """Whether a setting is for the official OTLP exporters only: a provider of credentials, or arguments."""
    if names_credential_provider():
        return True
    return any(
        issubclass(cls, SpanExporter) and cls.__module__.startswith("opentelemetry.exporter.otlp.")
        for cls in arguments.get("exporter_args_map") or ()
    )
