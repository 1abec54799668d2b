"""`RuleBased`: ordered rules on what a span is at its start, each with a sampler."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from opentelemetry.sdk.trace import sampling as sdk
from opentelemetry.sdk.trace.sampling import Decision, Sampler
from opentelemetry.trace import SpanKind

from nanospan._common.arguments import safe_repr
from nanospan._compat.sdk import static_decision
from nanospan._native.sampling.rules import PARENT_PLACES, AttributeMatch, NativeRule, NativeRuleBased, TextMatch
from nanospan._native.sampling.samplers import native_class
from nanospan.sampling._probability import RateLimited
from nanospan.sampling._sdk import native_sampler

__all__ = ["ANY", "Any_", "AttributeValue", "ParentPlace", "Rule", "RuleBased"]

ParentPlace = Literal["none", "local", "remote"]
AttributeValue = str | bool | int | float


class Any_:
    """The type of `ANY`."""

    def __repr__(self) -> str:
        return "ANY"


ANY: Final = Any_()
"""In a rule's attributes: the key must be there, with whatever value."""

_SCALARS = (str, bool, int, float)
_OUTSIDE_PREFIXES = (
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
_OUTSIDE_KEYS = frozenset(
    {
        "url.query",
        "url.full",
        "url.fragment",
        "url.original",
        "http.url",
        "http.target",
        "http.host",
        "net.host.name",
        "server.address",  # a server's own is what the Host header says
        "server.port",
        "client.address",  # X-Forwarded-For, where there is one
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
                f"attributes[{key!r}] must be a str, bool, int or float, a collection of them, or ANY, not {safe_repr(wanted)}"
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


def _limits(sampler: Sampler) -> bool:
    """Whether no flood of spans can make a sampler keep more than a set number a second.

    A threshold cannot: who sends a trace id sends its randomness with it. What a subclass decides by itself nobody knows.
    """
    decide = type(sampler).should_sample
    if isinstance(sampler, RateLimited) and decide is RateLimited.should_sample:
        return not sampler.by_threshold
    if isinstance(sampler, RuleBased) and decide is RuleBased.should_sample:
        return all(_limits(one) for one in (*(rule.sampler for rule in sampler.rules), sampler.default))
    return isinstance(sampler, sdk.StaticSampler) and static_decision(sampler) is Decision.DROP


def _is_outside(key: str) -> bool:
    return key in _OUTSIDE_KEYS or key.startswith(_OUTSIDE_PREFIXES)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a span must be like at its start, and the sampler that decides on it then.

    What is not given holds for every span. A text that contains ``*`` (any characters or none) or ``?`` (any one character)
    is a pattern for the whole text; upper and lower case differ, brackets mean themselves.

    Keys are compared as they are: instrumentations that write an older spelling of a semantic convention (``http.method``
    for ``http.request.method``) need a rule of their own.

    Args:
        name: The span's name.
        kind: Its kind, or a collection of kinds.
        attributes: Its attributes at the start, all of these keys: an equal value (True is not 1), a pattern, a collection
            of values of which one must be equal, or `ANY`. Of an attribute that is a sequence, one element must match.
            Numbers match a pattern by their text. A str that holds a ``*`` for itself goes into a collection.
        parent: "none", "local" or "remote", or a collection of them.
        scope: The name of the instrumentation scope. Only nanospan's tracers tell it: behind the SDK's own such a rule never
            matches.
        sampler: Any sampler.
        external: Whether anyone outside can make a span match, by what they send. Such a rule must have a sampler that
            limits, a `RateLimited` or ALWAYS_OFF, or a flood of requests could have all its traces kept. None: derived from
            the attributes (request headers, query strings, the host that is asked for, user agents and baggage are sent by
            others). False: you vouch that it is not so, because something before this service removes it.

    Raises:
        TypeError, ValueError: for an argument that is not as described, with its name.
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

    def compiled(self) -> NativeRule:
        """The rule with counts of its own."""
        return NativeRule(
            native_sampler(self.sampler) or self.sampler,
            name=_text_match("name", self.name),
            scope=_text_match("scope", self.scope),
            attributes=tuple(_attribute_match(key, wanted) for key, wanted in (self.attributes or {}).items()),
            kinds=_members("kind", self.kind, SpanKind, "a SpanKind"),
            parents=_parents(self.parent),
        )

    def _refuse_floods(self) -> None:
        if self.external is False or _limits(self.sampler):
            return
        outside = next((key for key in self.attributes or () if _is_outside(key)), None)
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
        """The conditions, as ``name=GET /health,parent=none``; ``*`` if there are none."""
        parts = [] if self.name is None else [f"name={self.name}"]
        if self.kind is not None:
            parts.append("kind=" + "|".join(kind.name.lower() for kind in _members("kind", self.kind, SpanKind, "")))
        for key, wanted in (self.attributes or {}).items():
            values = wanted if isinstance(wanted, Collection) and not isinstance(wanted, str) else (wanted,)
            parts.append(f"{key}=" + "|".join(str(value) if isinstance(value, str) else safe_repr(value) for value in values))
        if self.parent is not None:
            parts.append("parent=" + "|".join(_parents(self.parent)))
        if self.scope is not None:
            parts.append(f"scope={self.scope}")
        return ",".join(parts) or "*"


@native_class
class RuleBased(NativeRuleBased, Sampler):
    """Sampler that gives a span to the sampler of the first rule that it matches::

        RuleBased(
            [
                Rule(name="GET /health", sampler=ALWAYS_OFF),
                Rule(attributes={"http.native": "/checkout"}, sampler=ALWAYS_ON),
                Rule(attributes={"http.request.header.x-debug": ["1"]}, sampler=RateLimited(10)),
            ],
            default=ConsistentProbability(0.01),
        )

    Rules see what the span has at its start: what is set later, or by a name that is changed later, comes too late. Put it
    into a ParentBased, or rules decide on children as well, unless they ask for ``parent``.

    Kept traces say the threshold of the consistent sampler that kept them, or a threshold of 0 if it was ALWAYS_ON. Of what
    any other sampler keeps nobody knows how many traces it stands for, and it says none.

    Args:
        rules: `Rule` objects, tried in order.
        default: The sampler of spans that match none.

    Raises:
        TypeError: if ``rules`` holds something else, or ``default`` is no Sampler.
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

    def get_description(self) -> str:
        """As ``RuleBased{[(name=GET /health:AlwaysOffSampler)],default=ConsistentProbability{0.01,th:fd70a}}``."""
        rules = ",".join(f"({rule.description}:{rule.sampler.get_description()})" for rule in self.rules)
        return f"RuleBased{{[{rules}],default={self.default.get_description()}}}"

    def stats(self) -> dict[str, Any]:
        """What was decided in this process: ``asked`` and ``sampled`` spans; of each of the ``rules`` its ``description``,
        and how many spans ``matched`` it and were ``sampled``; and the same of the ``default``."""
        *rules, default = self.outcome_counts()
        described = [{"description": rule.description} | counts for rule, counts in zip(self.rules, rules, strict=True)]
        return super().stats() | {"rules": described, "default": default}
