"""Settings of the exporters: constructor arguments, ``OTEL_EXPORTER_OTLP_*`` variables, defaults.

The order of precedence is: argument, variable for traces, general variable, default. The variable for traces replaces the
general one, also for headers. An empty variable counts as unset. An invalid argument raises ValueError or TypeError with its
name; an invalid variable logs one warning and means the default.
(Specification: protocol/exporter.md, configuration/common.md.)
"""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

from nanospan._common.arguments import check_number, safe_repr
from nanospan.export._settings.compression import Compression, compression_from

__all__ = [
    "Setting",
    "TlsFile",
    "check_header",
    "environment_headers",
    "parse_headers",
    "read",
    "resolve_compression",
    "resolve_file",
    "resolve_insecure",
    "resolve_protocol",
    "resolve_timeout",
]

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 10.0
"""Seconds for one export with all its retries."""

_IMPLAUSIBLE_TIMEOUT = 1000.0
_TRACES = "OTEL_EXPORTER_OTLP_TRACES_"
_GENERAL = "OTEL_EXPORTER_OTLP_"
_DEFAULT_PROTOCOL = "http/protobuf"
_PROTOCOLS = ("http/protobuf", "grpc")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING_HEADERS = frozenset({"content-length", "transfer-encoding"})


class Setting(NamedTuple):
    """A value and the name of its variable."""

    variable: str
    value: str

    @property
    def is_general(self) -> bool:
        """Whether the variable is the one for all signals, not the one for traces."""
        return not self.variable.startswith(_TRACES)


def read(suffix: str) -> Setting | None:
    """The variable for traces that ends in ``suffix``, else the general one, else None. Empty counts as unset."""
    for prefix in (_TRACES, _GENERAL):
        value = os.environ.get(prefix + suffix, "").strip()
        if value:
            return Setting(prefix + suffix, value)
    return None


def resolve_timeout(argument: float | None) -> float | None:
    """Timeout of one export with all its retries, in seconds; None, from a timeout of 0, for no limit.

    The variable is in seconds, as in Python's SDK, although the specification says milliseconds.
    """
    if argument is not None:
        accepted = "a number of seconds, 0 (no limit) or more"
        return _limit(check_number("timeout", argument, 0, math.inf, accepted=accepted))
    setting = read("TIMEOUT")
    if setting is None:
        return DEFAULT_TIMEOUT
    try:
        seconds = float(setting.value)
    except ValueError:
        seconds = math.nan
    if math.isnan(seconds) or seconds < 0:
        logger.warning(
            "%s=%r is not a number of seconds, 0 or more; using %g s",
            setting.variable,
            setting.value,
            DEFAULT_TIMEOUT,
        )
        return DEFAULT_TIMEOUT
    if seconds >= _IMPLAUSIBLE_TIMEOUT:
        logger.warning(
            "%s=%s is read as seconds, as Python's SDK does, not as milliseconds",
            setting.variable,
            setting.value,
        )
    return _limit(seconds)


def _limit(seconds: float) -> float | None:
    return None if seconds == 0 or math.isinf(seconds) else seconds


def resolve_compression(argument: object | None) -> Compression:
    """The compression of request bodies. Raises ValueError for an invalid argument."""
    if argument is not None:
        return compression_from(argument)
    setting = read("COMPRESSION")
    if setting is None:
        return Compression.NoCompression
    try:
        return compression_from(setting.value)
    except ValueError:
        logger.warning(
            "%s=%r is not one of none, gzip, deflate; sending uncompressed", setting.variable, setting.value
        )
        return Compression.NoCompression


def resolve_insecure(argument: bool | None) -> bool | None:
    """Whether gRPC connects without TLS if the endpoint has no scheme; None if it is not set."""
    if argument is not None:
        return bool(argument)
    setting = read("INSECURE")
    if setting is None:
        return None
    value = setting.value.lower()
    if value not in ("true", "false"):
        logger.warning("%s=%r is neither true nor false; taken as false", setting.variable, setting.value)
    return value == "true"


def resolve_protocol() -> str:
    """The protocol in the PROTOCOL variables: ``http/protobuf``, the default, or ``grpc``."""
    setting = read("PROTOCOL")
    if setting is None:
        return _DEFAULT_PROTOCOL
    protocol = setting.value.lower()
    if protocol not in _PROTOCOLS:
        logger.warning(
            "%s=%r is not one of %s; using %s",
            setting.variable,
            setting.value,
            ", ".join(_PROTOCOLS),
            _DEFAULT_PROTOCOL,
        )
        return _DEFAULT_PROTOCOL
    return protocol


class TlsFile(NamedTuple):
    """A file with certificates or a key, and the argument or variable with its path."""

    path: str
    named_by: str
    from_argument: bool

    def refuse(self, problem: str) -> None:
        """Raise ValueError if the path is an argument; else log a warning."""
        if self.from_argument:
            raise ValueError(f"{self.named_by}: {self.path!r} {problem}")
        logger.warning("%s: %r %s; doing without it", self.named_by, self.path, problem)


def resolve_file(argument: str | os.PathLike[str] | None, name: str, suffix: str) -> TlsFile | None:
    """The TLS file in the argument called ``name``, or in the variables that end in ``suffix``.

    Raises ValueError if the file of the argument cannot be read.
    """
    if argument:
        found = TlsFile(os.fspath(argument), name, True)
    elif setting := read(suffix):
        found = TlsFile(setting.value, setting.variable, False)
    else:
        return None
    if os.access(found.path, os.R_OK):
        return found
    found.refuse("cannot be read")
    return None


def check_header(name: object, value: object) -> tuple[str, str]:
    """The header, with its name in lower case. Raises TypeError or ValueError, without the value in the message."""
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"headers must map str to str; the entry {safe_repr(name)} does not")
    lowered = name.strip().lower()
    if not _TOKEN.fullmatch(lowered):
        raise ValueError(f"headers: {name!r} is not the name of a header")
    if lowered in _FRAMING_HEADERS:
        raise ValueError(f"headers: {lowered} follows from the body and cannot be set")
    if _CONTROL.search(value):
        raise ValueError(f"headers: the value of {lowered} holds control characters")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"headers: the value of {lowered} holds characters outside Latin-1") from None
    return lowered, value


def parse_headers(text: str, source: str) -> dict[str, str]:
    """Headers from a comma-separated list of ``name=value``. An invalid entry is skipped with a warning.

    Names are lower-cased and values percent-decoded; a value with raw spaces is not decoded.
    """
    headers: dict[str, str] = {}
    for position, entry in enumerate(text.split(","), 1):
        entry = entry.strip()
        if not entry:
            continue
        name, equals, value = entry.partition("=")
        value = value.strip()
        try:
            if not equals:
                raise ValueError("is not of the form name=value")
            key, text_value = check_header(unquote(name), value if " " in value else unquote(value).strip())
        except ValueError as error:
            # The entry is not logged: it may be a credential.
            logger.warning("%s: entry %d of the list is left out: %s", source, position, error)
            continue
        headers[key] = text_value
    return headers


def environment_headers() -> Mapping[str, str]:
    """The headers in the HEADERS variables."""
    setting = read("HEADERS")
    return {} if setting is None else parse_headers(setting.value, setting.variable)
