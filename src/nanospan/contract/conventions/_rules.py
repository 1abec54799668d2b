"""What the conventions say of one attribute key, in the form that is looked up for each attribute of a span."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from opentelemetry.trace import SpanKind

from nanospan.contract.conventions._registry import Change, Registry

__all__ = ["KINDS", "NO_NEW_NAME", "KeyRule", "rule_of"]

NO_NEW_NAME = "it has no new name"
"""The hint for a key that nothing has taken the place of."""

KINDS = (SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER)
"""The kinds in the order of `KeyRule.by_kind`: the numbers of `SpanKind`."""

_FORMAT = re.compile(r"[a-z][a-z0-9]*([._][a-z0-9]+)*")
_SERVER, _CLIENT, _CONSUMER = SpanKind.SERVER.value, SpanKind.CLIENT.value, SpanKind.CONSUMER.value

_BY_KIND: dict[str, dict[int, str]] = {
    "http.host": {_SERVER: "server.address", _CLIENT: "server.address"},
    "messaging.rocketmq.client_group": {_CONSUMER: "messaging.consumer.group.name"},
    "net.peer.ip": {_SERVER: "client.address"},
    "server.socket.address": {_SERVER: "network.local.address", _CLIENT: "network.peer.address"},
}
"""New names that hold on spans of one kind, where the registry gives no rule, or Python's instrumentations have another."""

_DERIVED = ("http.status_code", "http.target", "http.url")
"""Keys of which `derive` makes more than one attribute; each has its rule in `_derive.py`."""

_RANKS = {"http.host": 1, "http.server_name": 2, "net.peer.ip": 2, "http.url": 3}
"""Of several keys that would give one new key, that of the lowest rank does."""


class KeyRule(NamedTuple):
    """What is to check and to change of an attribute with this key."""

    finding: str | None = None
    """The finding for the key itself, whatever the value."""
    new_keys: tuple[str, ...] = ()
    """The name of now, if the attribute may be renamed to it on every span; else empty."""
    expected: str = "any"
    """The value's type: ``any``, ``string``, ``int``, ``double``, ``boolean``, ``string[]``, ``int[]``, ``double[]`` or
    ``boolean[]``. A double may be an int. A value of another type is not renamed."""
    members: frozenset[str | int] | None = None
    """The values of an enum; another one is the finding ``undefined_enum_variant``."""
    value_renames: dict[str, str | None] | None = None
    """By deprecated value the new one, None if it has none: of a key that is renamed, such a value keeps the old key; of
    another key, such a value is the finding ``deprecated`` and is replaced in the mode ``rename`` only."""
    hint: str = ""
    """For people: what takes the key's place."""
    by_kind: tuple[str | None, ...] | None = None
    """The new name by the span's kind, indexed by the number of `SpanKind`; None: not renamed on such spans."""
    derive: bool = False
    """Whether `Conventions._derive` has to be asked for the new attributes."""
    rank: int = 0
    """The rules of a span are applied by ascending rank; one that comes later does not replace a key that is there."""

    @property
    def renames(self) -> bool:
        """Whether the attribute gets a new name on some span."""
        return self.derive or bool(self.new_keys) or self.by_kind is not None


def rule_of(key: str, registry: Registry, namespaces: Collection[str], checks: Collection[str]) -> KeyRule | None:
    """The rule for ``key``; None if there is nothing to check. ``checks`` are the findings that are looked for."""
    template = registry.template_of(key)
    known = key if key in registry.attributes or registry.change(key) is not None else template
    if known is None:
        return _rule_of_unknown(key, registry, namespaces, checks)
    change = registry.change(known)
    attribute = registry.attributes.get(known)
    if change is not None:
        suffix = key[len(known) - len("<key>") :] if known.endswith("<key>") else ""
        return _rule_of_deprecated(known, change, suffix, registry) if "deprecated" in checks else None
    assert attribute is not None
    finding = None
    if "not_stable" in checks and not attribute.stable:
        finding = "not_stable"
    elif "template_attribute" in checks and known.endswith("<key>"):
        finding = "template_attribute"
    rule = KeyRule(
        finding,
        expected=attribute.type if "type_mismatch" in checks else "any",
        members=attribute.members if "undefined_enum_variant" in checks else None,
        value_renames=registry.value_changes(known) or None if "deprecated" in checks else None,
    )
    return None if rule == KeyRule() else rule


def _rule_of_deprecated(key: str, change: Change, suffix: str, registry: Registry) -> KeyRule:
    old = registry.attributes.get(key)
    new = tuple(name.replace("<key>", suffix) for name in change.new)
    target = registry.attributes.get(change.new[0]) if change.new else None
    # A name that the registry has forgotten has the type of its new name, else the step would be of kind "type".
    same_type = change.how in ("renamed", "by_span")
    expected = old.type if old is not None else target.type if target is not None and same_type else "any"
    derive, by_kind = key in _DERIVED, None
    if key in _BY_KIND and change.how in ("renamed", "by_span"):
        rest = new[0] if change.how == "renamed" else None
        by_kind = tuple(_BY_KIND[key].get(kind.value, rest) for kind in KINDS)
    elif change.how == "by_span" and not derive:
        by_kind = _by_side(new)
    elif key == "http.flavor":
        new, by_kind = ("network.protocol.version",), ("network.protocol.version",) * len(KINDS)
    plain = change.how == "renamed" and by_kind is None and not derive
    values = registry.value_changes(key) if plain or by_kind is not None else None
    return KeyRule(
        "deprecated",
        new_keys=new if plain else (),
        expected=expected,
        value_renames=values or None,
        hint=_hint(change, new),
        by_kind=by_kind,
        derive=derive,
        rank=_RANKS.get(key, 0),
    )


def _by_side(names: tuple[str, ...]) -> tuple[str | None, ...] | None:
    """``server.x`` on the spans of clients, those of brokers' clients included, and ``client.x`` on those of servers."""
    server = next((name for name in names if name.startswith("server.")), None)
    client = next((name for name in names if name.startswith("client.")), None)
    if server is None or client is None:
        return None
    return tuple(None if kind is SpanKind.INTERNAL else client if kind is SpanKind.SERVER else server for kind in KINDS)


def _hint(change: Change, new: tuple[str, ...]) -> str:
    names = " or ".join(repr(name) for name in new) if change.how == "by_span" else " and ".join(repr(name) for name in new)
    match change.how:
        case "renamed":
            return f"the name is {names}"
        case "by_span":
            return f"the name is {names}, by the kind of span"
        case "type":
            return f"the name is {names}, with a value of another type"
        case "merged":
            return f"the value belongs into {names}"
        case "split":
            return f"the value belongs into {names}"
    return NO_NEW_NAME


def _rule_of_unknown(key: str, registry: Registry, namespaces: Collection[str], checks: Collection[str]) -> KeyRule | None:
    finding = None
    if "invalid_format" in checks and not _FORMAT.fullmatch(key):
        finding, hint = "invalid_format", "names are lower case, with '.' between namespaces and '_' between words"
    elif "illegal_namespace" in checks and (taken := _attribute_above(key, registry)) is not None:
        finding, hint = "illegal_namespace", f"{taken!r} is an attribute, so that it cannot be a namespace too"
    elif "illegal_namespace" in checks and key.startswith("otel."):
        finding, hint = "illegal_namespace", "the namespace 'otel' is reserved"
    elif namespaces and not any(key == one or key.startswith(f"{one}.") for one in namespaces):
        finding, hint = "missing_attribute", f"it is not in the conventions, nor below {' or '.join(namespaces)}"
    elif "missing_namespace" in checks and "." not in key:
        finding, hint = "missing_namespace", "it has no namespace"
    elif "extends_namespace" in checks and key.partition(".")[0] in registry.roots:
        finding, hint = "extends_namespace", f"the namespace {key.partition('.')[0]!r} belongs to the conventions"
    return KeyRule(finding, hint=hint) if finding is not None else None


def _attribute_above(key: str, registry: Registry) -> str | None:
    """The attribute, in force, of which ``key`` would make a namespace."""
    end = key.rfind(".")
    while end > 0:
        above = key[:end]
        if above in registry.attributes and registry.change(above) is None:
            return above
        end = key.rfind(".", 0, end)
    return None
