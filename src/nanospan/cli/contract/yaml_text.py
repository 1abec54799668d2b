"""YAML of mappings, lists and plain values, without a package for it. Strings are written as JSON, which YAML reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["yaml_text"]


def yaml_text(document: Mapping[str, Any]) -> str:
    return "\n".join(_mapping(document, "")) + "\n"


def _mapping(pairs: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in pairs.items():
        yield from _entry(f"{indent}{_key(key)}:", value, indent)


def _entry(start: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield start
        yield from _mapping(value, indent + "  ")
    elif isinstance(value, list | tuple) and value:
        yield start
        for item in value:
            if isinstance(item, Mapping) and item:
                first, *rest = _mapping(item, indent + "    ")
                yield f"{indent}  - {first.strip()}"
                yield from rest
            else:
                yield f"{indent}  - {_scalar(item)}"
    else:
        yield f"{start} {_scalar(value)}"


def _key(key: str) -> str:
    return key if all(char.isalnum() or char in "_/" for char in key) and key[:1].isalpha() else json.dumps(key)


def _scalar(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
