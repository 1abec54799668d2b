"""Policies in files: the arguments of `Redaction`, or the options of the Collector's redaction processor."""

from __future__ import annotations

import importlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from nanospan._common.arguments import safe_repr
from nanospan.contract.redaction._collector import OPTIONS, from_collector
from nanospan.contract.redaction._keys import SensitiveKey

__all__ = ["read_policy", "write_policy"]

MAX_FILE_BYTES = 1024 * 1024
_WRITTEN = (
    *("keys", "extra_keys", "detectors", "action", "actions", "blocked_key_patterns", "blocked_values"),
    *("ignored_keys", "ignored_key_patterns", "allowed_keys", "url_keys", "marker", "max_bytes_scanned"),
)


def read_policy(path: Path, names: Collection[str]) -> dict[str, Any]:
    """The arguments of `Redaction`, which has those of ``names``. Raises OSError, ValueError, TypeError."""
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"{path} has more than {MAX_FILE_BYTES} bytes")
    return arguments_of(_parsed(path, data.decode("utf-8")), names)


def _parsed(path: Path, text: str) -> Any:
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        try:
            return json.loads(text)
        except ValueError as error:
            raise ValueError(f"{path} is not JSON ({error}), and reading YAML needs the package PyYAML") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {error}") from None


def arguments_of(document: Any, names: Collection[str]) -> dict[str, Any]:
    """The arguments of `Redaction` in a parsed file."""
    options = {} if document is None else _processor_of(document)
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise TypeError(f"a policy must be a mapping of names to values, not {safe_repr(options)}")
    ours, theirs = set(names), set(OPTIONS)
    unknown = sorted(set(options) - ours - theirs)
    if unknown:
        accepted = ", ".join(sorted(ours | theirs))
        raise ValueError(f"{unknown[0]} is no option of a policy; accepted are {accepted}")
    only_theirs = set(options) - ours
    if only_theirs:
        if foreign := sorted(set(options) - theirs):
            raise ValueError(
                f"{foreign[0]} cannot stand beside {sorted(only_theirs)[0]}, an option of the Collector's processor"
            )
        return from_collector(options)
    return _plain_arguments(options)


def _processor_of(document: Any) -> Any:
    """The options of the redaction processor in a whole configuration of the Collector; any other document itself."""
    if not isinstance(document, Mapping) or "processors" not in document:
        return document
    processors = document["processors"]
    found = []
    if isinstance(processors, Mapping):
        found = [options for name, options in processors.items() if str(name).partition("/")[0] == "redaction"]
    if len(found) != 1:
        raise ValueError(f"processors must hold one redaction processor, not {len(found)}")
    return found[0] or {}


def _plain_arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    arguments = dict(options)
    for name in ("keys", "extra_keys"):
        if isinstance(arguments.get(name), list):
            arguments[name] = [_key_of(f"{name}[{i}]", item) for i, item in enumerate(arguments[name])]
    if isinstance(arguments.get("hash_key"), str):
        arguments["hash_key"] = arguments["hash_key"].encode()
    return arguments


def _key_of(name: str, item: Any) -> Any:
    if not isinstance(item, Mapping):
        return item
    try:
        return SensitiveKey(**item)
    except TypeError as error:
        raise TypeError(f"{name} must be a string, or have name and perhaps match, weak and line: {error}") from None


def write_policy(policy: Any, default: Any) -> dict[str, Any]:
    """The policy as a file holds it: its keys, and what is not as in ``default``, without the key of the hash."""
    written: dict[str, Any] = {}
    for name in _WRITTEN:
        value = getattr(policy, name)
        if value == getattr(default, name) and name != "keys":
            continue
        if name in ("keys", "extra_keys"):
            value = [_written_key(key) for key in value]
        written[name] = list(value) if isinstance(value, tuple) else value
    return written


def _written_key(key: SensitiveKey) -> Any:
    written: dict[str, Any] = {"name": key.name}
    if key.match != "word_end":
        written["match"] = key.match
    for name in ("weak", "line"):
        if getattr(key, name):
            written[name] = True
    return key.name if len(written) == 1 else written
