"""`RuleBased`: ordered rules on the properties of a span at its start, each with a sampler."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, TypedDict, cast

from opentelemetry.sdk.trace.sampling import Decision, Sampler
from opentelemetry.trace import SpanKind

from nanospan._common.arguments import constructor_text, safe_repr
from nanospan._compat import stock
from nanospan._compat.sdk import static_decision
from nanospan._native.sampling import PARENT_PLACES, AttributeMatch, NativeRule, NativeRuleBased, TextMatch, native_class
from nanospan.sampling._copies import Copyable
from nanospan.sampling._probability import RateLimited
from nanospan.sampling._sdk import native_sampler

__all__ = ["ANY", "Any_", "AttributeValue", "ParentPlace", "Rule", "RuleBased"]

ParentPlace = Literal["none", "local", "remote"]
AttributeValue = str | bool | int | float


class Any_:
    """The type of `ANY`."""

    def __repr__(self) -> str:
        return "ANY"

    def __reduce__(self) -> str:
        return "ANY"  # compared by identity: a copy is the object itself


ANY: Final = Any_()
"""In a rule's attributes: the key must be present, with any value."""

_SCALARS = (str, bool, int, float)
_EXTERNAL_PREFIXES = (
    "http.request.header.",
    "http.response.header.",
    "rpc.request.metadata.",
    "rpc.grpc.request.metadata.",
    "rpc.connect_rpc.request.metadata.",
    "messaging.message.header",
    "baggage",
    "x-",  # headers under their own names
    "X-",
)
_EXTERNAL_KEYS = frozenset(
    {
        "url.query",
        "url.full",
        "url.fragment",
        "url.original",
        "http.url",
        "http.target",
        "http.host",
        "net.host.name",
        "server.address",  # on a server: the Host header
        "server.port",
        "client.address",  # may come from X-Forwarded-For
        "http.client_ip",
        "http.request.method_original",
        "http.request.body.size",
        "http.request.size",
        "http.request_content_length",
        "user_agent.name",
        "user_agent.original",
        "user_agent.version",
        "http.user_agent",
        "graphql.document",
        "messaging.kafka.message.key",
    }
)


def _is_pattern(text: str) -> bool:
    return "*" in text or "?" in text


def _text_match(argument: str, text: object) -> TextMatch | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise TypeError(f"{argument} must be a str or None, not {safe_repr(text)}")
    return TextMatch(str(text), _is_pattern(text))


def _attribute_match(key: object, wanted: object) -> AttributeMatch:
    if not isinstance(key, str):
        raise TypeError(f"attributes must have str keys, not {safe_repr(key)}")
    if wanted is ANY:
        return AttributeMatch(key, any_value=True)
    if isinstance(wanted, str):
        if _is_pattern(wanted):
            return AttributeMatch(key, like=TextMatch(str(wanted), True))
        return AttributeMatch(key, values=(str(wanted),))
    values = tuple(wanted) if isinstance(wanted, Collection) and not isinstance(wanted, Mapping | bytes) else (wanted,)
    for value in values:
        if not isinstance(value, _SCALARS):
            raise TypeError(
                f"attributes[{key!r}] must be a str, bool, int or float, a collection of them, or ANY, "
                f"not {safe_repr(wanted)}"
            )
    if not values:
        raise ValueError(f"attributes[{key!r}] must not be an empty collection: it would match nothing")
    return AttributeMatch(key, values=values)


def _members(argument: str, given: object, one: type, accepted: str) -> tuple[Any, ...]:
    if given is None:
        return ()
    members = (given,) if isinstance(given, one) else given
    if not isinstance(members, Collection) or not all(isinstance(member, one) for member in members):
        raise TypeError(f"{argument} must be {accepted}, a collection of them, or None, not {safe_repr(given)}")
    if not members:
        raise ValueError(f"{argument} must not be an empty collection: it would match nothing")
    return tuple(members)


def _parents(given: object) -> tuple[str, ...]:
    accepted = " or ".join(map(repr, PARENT_PLACES))
    parents = _members("parent", given, str, accepted)
    for parent in parents:
        if parent not in PARENT_PLACES:
            raise ValueError(f"parent must be {accepted}, a collection of them, or None, not {safe_repr(given)}")
    return parents


def _bounds_rate(sampler: Sampler) -> bool:
    """Whether a sampler keeps at most a fixed number of spans per second, for any input.

    A threshold does not: the sender of a trace id chooses its randomness. The decisions of a subclass are unknown.
    """
    decide: object = type(sampler).should_sample
    if isinstance(sampler, RateLimited) and decide is RateLimited.should_sample:
        return not sampler.by_threshold
    if isinstance(sampler, RuleBased) and decide is RuleBased.should_sample:
        return all(_bounds_rate(one) for one in (*(rule.sampler for rule in sampler.rules), sampler.default))
    return isinstance(sampler, stock.StaticSampler) and static_decision(sampler) is Decision.DROP


def _is_external(key: str) -> bool:
    return key in _EXTERNAL_KEYS or key.startswith(_EXTERNAL_PREFIXES)


@dataclass(frozen=True, kw_only=True, repr=False)
class Rule:
    """Conditions on a span at its start, and the sampler for the spans that meet all of them.

    A condition that is not given is met by every span. A text with ``*`` (any characters or none) or ``?`` (one character)
    is a pattern for the whole text. Matching is case-sensitive; brackets have no special meaning.

    Keys are compared exactly: an instrumentation that uses an older name of a semantic convention (``http.method`` for
    ``http.request.method``) needs its own rule.

    Args:
        name: The span's name.
        kind: Its kind, or a collection of kinds.
        attributes: Its initial attributes. Each key must match: an equal value (True is not 1), a pattern, a collection of
            values of which one must be equal, or `ANY`. One element of a sequence attribute must match. A number matches a
            pattern by its text. To match a literal ``*``, put the text into a collection.
        parent: "none", "local" or "remote", or a collection of them.
        scope: The name of the instrumentation scope. Only nanospan's tracers pass it: with the SDK's tracer such a rule
            never matches.
        sampler: Any sampler.
        external: Whether an outside client can make a span match. The sampler of such a rule must bound the rate
            (`RateLimited` or ALWAYS_OFF); otherwise a flood of requests would have all its traces kept. None derives it
            from the attributes: clients control request headers, query strings, the requested host, user agents and
            baggage. False states that clients cannot set these attributes, for example because a proxy removes them.

    Raises:
        TypeError, ValueError: for an invalid argument, by name.
    """

    name: str | None = None
    kind: SpanKind | Collection[SpanKind] | None = None
    attributes: Mapping[str, AttributeValue | Collection[AttributeValue] | Any_] | None = None
    parent: ParentPlace | Collection[ParentPlace] | None = None
    scope: str | None = None
    sampler: Sampler
    external: bool | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.sampler, Sampler):
            raise TypeError(f"sampler must be a Sampler, not {safe_repr(self.sampler)}")
        if self.external not in (None, True, False):
            raise TypeError(f"external must be a bool or None, not {safe_repr(self.external)}")
        if self.attributes is not None and not isinstance(self.attributes, Mapping):
            raise TypeError(f"attributes must be a mapping or None, not {safe_repr(self.attributes)}")
        self.compiled()
        self._refuse_floods()
        if self.attributes is not None:
            object.__setattr__(self, "attributes", MappingProxyType(dict(self.attributes)))

    def __repr__(self) -> str:
        given = {name: value for name, value in vars(self).items() if value is not None}
        if self.attributes is not None:
            given["attributes"] = dict(self.attributes)
        return constructor_text("Rule", Rule, given)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"attributes": None if self.attributes is None else dict(self.attributes)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            read_only = name == "attributes" and value is not None
            object.__setattr__(self, name, MappingProxyType(value) if read_only else value)

    def compiled(self) -> NativeRule:
        """The native rule, with its own counts."""
        return NativeRule(
            native_sampler(self.sampler) or self.sampler,
            name=_text_match("name", self.name),
            scope=_text_match("scope", self.scope),
            attributes=tuple(_attribute_match(key, wanted) for key, wanted in (self.attributes or {}).items()),
            kinds=_members("kind", self.kind, SpanKind, "a SpanKind"),
            parents=_parents(self.parent),
        )

    def _refuse_floods(self) -> None:
        if self.external is False or _bounds_rate(self.sampler):
            return
        outside = next((key for key in self.attributes or () if _is_external(key)), None)
        if outside is None and not self.external:
            return
        why = "external=True says" if outside is None else f"attribute {outside!r} is what they send, so"
        raise ValueError(
            f"sampler of the rule {self.description} must be a RateLimited or ALWAYS_OFF: {why} that anyone outside can make"
            " spans match, and a flood of such requests would have every trace kept (also by a threshold, since trace ids"
            " come with the requests). With external=False you vouch that something before this service removes it"
        )

    @property
    def description(self) -> str:
        """The conditions, such as ``name=GET /health,parent=none``; ``*`` if there are none."""
        parts = [] if self.name is None else [f"name={self.name}"]
        if self.kind is not None:
            parts.append("kind=" + "|".join(kind.name.lower() for kind in _members("kind", self.kind, SpanKind, "")))
        for key, wanted in (self.attributes or {}).items():
            values = wanted if isinstance(wanted, Collection) and not isinstance(wanted, str) else (wanted,)
            texts = (str(value) if isinstance(value, str) else safe_repr(value) for value in values)
            parts.append(f"{key}=" + "|".join(texts))
        if self.parent is not None:
            parts.append("parent=" + "|".join(_parents(self.parent)))
        if self.scope is not None:
            parts.append(f"scope={self.scope}")
        return ",".join(parts) or "*"


class OutcomeStats(TypedDict):
    """Spans that a rule, or the default, ``matched``, and of those the ones that were ``sampled``."""

    matched: int
    sampled: int


class RuleStats(OutcomeStats):
    """`OutcomeStats` of a rule, with its conditions as text."""

    description: str


class RuleBasedStats(TypedDict):
    """The counts of `RuleBased.stats`."""

    asked: int
    sampled: int
    rules: list[RuleStats]
    default: OutcomeStats


@native_class
class RuleBased(Copyable, NativeRuleBased, Sampler):
    """Sampler that delegates to the sampler of the first rule that a span matches::

        RuleBased(
            [
                Rule(name="GET /health", sampler=ALWAYS_OFF),
                Rule(attributes={"http.native": "/checkout"}, sampler=ALWAYS_ON),
                Rule(attributes={"http.request.header.x-debug": ["1"]}, sampler=RateLimited(10)),
            ],
            default=ConsistentProbability(0.01),
        )

    Rules see the span's initial name and attributes, not later changes. Wrap it in a ParentBased; without one, rules
    without a ``parent`` condition decide on child spans too.

    A kept trace carries the threshold of the consistent sampler that kept it, or 0 for ALWAYS_ON. It carries none for any
    other sampler, because the number of traces that it represents is unknown.

    Args:
        rules: `Rule` objects, tried in order.
        default: The sampler for spans that match no rule.

    Raises:
        TypeError: if ``rules`` contains another type, or ``default`` is not a Sampler.
    """

    def __init__(self, rules: Iterable[Rule], *, default: Sampler) -> None:
        self.rules = tuple(rules)
        for rule in self.rules:
            if not isinstance(rule, Rule):
                raise TypeError(f"rules must be Rule objects, not {safe_repr(rule)}")
        if not isinstance(default, Sampler):
            raise TypeError(f"default must be a Sampler, not {safe_repr(default)}")
        self.default = default
        self._bind(tuple(rule.compiled() for rule in self.rules), native_sampler(default) or default)

    def _arguments(self) -> tuple[type[Any], dict[str, Any]]:
        return RuleBased, {"rules": self.rules, "default": self.default}

    def get_description(self) -> str:
        """As ``RuleBased{[(name=GET /health:AlwaysOffSampler)],default=ConsistentProbability{0.01,th:fd70a}}``."""
        rules = ",".join(f"({rule.description}:{rule.sampler.get_description()})" for rule in self.rules)
        return f"RuleBased{{[{rules}],default={self.default.get_description()}}}"

    def stats(self) -> RuleBasedStats:
        """Counts of this process: spans ``asked`` about and ``sampled``; for each of the ``rules`` its ``description`` and
        the spans that ``matched`` and were ``sampled``; the same for the ``default``."""
        *rules, default = self.outcome_counts()
        described = [{"description": rule.description} | counts for rule, counts in zip(self.rules, rules, strict=True)]
        return cast(RuleBasedStats, {**super().stats(), "rules": described, "default": default})
