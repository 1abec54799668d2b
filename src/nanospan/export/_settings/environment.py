"""Settings of the exporters: constructor arguments, ``OTEL_EXPORTER_OTLP_*`` variables, defaults.

The order of precedence is: argument, variable for traces, general variable, default. The variable for traces replaces the
general one, also for headers. A blank variable counts as unset. An invalid argument raises ValueError or TypeError with its
name; an invalid variable counts as unset, with one warning.
(Specification: protocol/exporter.md, configuration/common.md.)
"""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar
from urllib.parse import unquote

from nanospan._common.arguments import check_bool, check_number, safe_repr
from nanospan._common.environment import parsed_variable, variable_text, warn_once
from nanospan.export._settings.compression import Compression, compression_from

__all__ = [
    "Setting",
    "TlsFile",
    "check_header",
    "environment_headers",
    "first_valid",
    "names_credential_provider",
    "parse_headers",
    "protocol_from",
    "read",
    "resolve_compression",
    "resolve_file",
    "resolve_insecure",
    "resolve_protocol",
    "resolve_timeout",
    "settings_of",
]

Parsed = TypeVar("Parsed")

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 10.0
"""Seconds for one export with all its retries."""

_IMPLAUSIBLE_TIMEOUT = 1000.0
_ENDLESS = 1e9
"""Seconds from which on a timeout is none: the system's calls take no such time."""

_TRACES = "OTEL_EXPORTER_OTLP_TRACES_"
_GENERAL = "OTEL_EXPORTER_OTLP_"
_DEFAULT_PROTOCOL = "http/protobuf"
_PROTOCOLS = ("http/protobuf", "grpc")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_CREDENTIAL_PROVIDER = re.compile(r"OTEL_PYTHON_EXPORTER_OTLP_(HTTP|GRPC)_(TRACES_)?CREDENTIAL_PROVIDER")
_FRAMING_HEADERS = frozenset({"content-length", "transfer-encoding"})


class Setting(NamedTuple):
    """A value and the name of its variable."""

    variable: str
    value: str

    @property
    def is_general(self) -> bool:
        """Whether the variable is the one for all signals, not the one for traces."""
        return not self.variable.startswith(_TRACES)


def settings_of(suffix: str) -> Iterator[Setting]:
    """The variables that end in ``suffix`` and are not blank, the one for traces first."""
    for prefix in (_TRACES, _GENERAL):
        if value := variable_text(prefix + suffix):
            yield Setting(prefix + suffix, value)


def read(suffix: str) -> Setting | None:
    """The variable for traces that ends in ``suffix``, else the general one, else None. Blank counts as unset."""
    return next(settings_of(suffix), None)


def first_valid(suffix: str, parse: Callable[[str], Parsed], accepted: str, default: str) -> tuple[Setting, Parsed] | None:
    """The first variable that ends in ``suffix`` and that ``parse`` takes, with its result; a warning for each one before.

    ``parse`` raises ValueError; ``accepted`` and ``default`` describe the values for the warning.
    """
    for setting in settings_of(suffix):
        parsed = parsed_variable(logger, setting.variable, parse, accepted, default)
        if parsed is not None:
            return setting, parsed
    return None


def resolve_timeout(argument: float | None) -> float | None:
    """Timeout of one export with all its retries, in seconds; None, from a timeout of 0, for no limit.

    The variable is in seconds, as in Python's SDK, although the specification says milliseconds.
    """
    if argument is not None:
        accepted = "a number of seconds, 0 (no limit) or more"
        return _limit(check_number("timeout", argument, 0, math.inf, accepted=accepted))
    found = first_valid("TIMEOUT", _seconds, "a number of seconds, 0 (no limit) or more", f"{DEFAULT_TIMEOUT:g}")
    if found is None:
        return DEFAULT_TIMEOUT
    setting, seconds = found
    if seconds >= _IMPLAUSIBLE_TIMEOUT:
        message = "is read as seconds, as Python's SDK does, not as milliseconds"
        warn_once(logger, setting.variable, setting.value, message)
    return _limit(seconds)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not seconds >= 0:
        raise ValueError
    return seconds


def _limit(seconds: float) -> float | None:
    return None if seconds == 0 or seconds >= _ENDLESS else seconds


def resolve_compression(argument: object | None) -> Compression:
    """The compression of request bodies. Raises ValueError for an invalid argument."""
    if argument is not None:
        return compression_from(argument)
    found = first_valid("COMPRESSION", compression_from, "none, gzip or deflate", "none")
    return Compression.NoCompression if found is None else found[1]


def resolve_insecure(argument: bool | None) -> bool | None:
    """Whether gRPC connects without TLS if the endpoint has no scheme; None if it is not set."""
    if argument is not None:
        check_bool("insecure", argument)
        return argument
    found = first_valid("INSECURE", _boolean, "true or false", "false")
    return None if found is None else found[1]


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError
    return text.lower() == "true"


def resolve_protocol() -> str:
    """The protocol in the PROTOCOL variables, in any case: ``http/protobuf``, the default, or ``grpc``."""
    found = first_valid("PROTOCOL", protocol_from, " or ".join(_PROTOCOLS), _DEFAULT_PROTOCOL)
    return _DEFAULT_PROTOCOL if found is None else found[1]


def protocol_from(text: str) -> str:
    """The protocol that ``text`` names in any case. Raises ValueError."""
    if text.lower() not in _PROTOCOLS:
        raise ValueError
    return text.lower()


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
        if not isinstance(argument, str | os.PathLike):
            raise TypeError(f"{name} must be a path, not {type(argument).__name__}")
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
                raise ValueError("it is not of the form name=value, such as api-key=12345")
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


def names_credential_provider() -> bool:
    """Whether a variable names a provider of credentials, which the official exporters alone take."""
    return any(value.strip() and _CREDENTIAL_PROVIDER.fullmatch(name) for name, value in os.environ.items())
