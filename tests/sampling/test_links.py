"""`LinksBased`: the same decisions behind nanospan's provider, where they are native, and behind the SDK's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased as StockRatio
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)

import nanospan
from nanospan.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ANY,
    Adaptive,
    AlwaysRecord,
    ConsistentProbability,
    Decision,
    LinksBased,
    ParentBased,
    RateLimited,
    Rule,
    RuleBased,
)

SAMPLED, DROPPED, INVALID = (
    Link(SpanContext(7, 8, True, TraceFlags(1))),
    Link(SpanContext(7, 9, True, TraceFlags(0))),
    Link(SpanContext(0, 0, True, TraceFlags(1))),
)


class Other(Link):
    """A link whose context cannot be read, or whose class is the application's."""

    @property
    def context(self) -> Any:
        if isinstance(self._context, Exception):
            raise self._context
        return self._context


class PlainFlags:
    """A span context that is not the API's."""

    is_valid = True
    trace_flags = 1


class Broken:
    """Links that break off."""

    def __init__(self, *links: Any) -> None:
        self.links = links

    def __iter__(self) -> Iterator[Any]:
        yield from self.links
        raise RuntimeError("broken")


class OneByOne(Sampler):
    """An application's own, which notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def should_sample(self, parent_context: Any, trace_id: Any, name: Any, *rest: Any, **named: Any) -> SamplingResult:
        parent = get_current_span(parent_context).get_span_context()
        self.asked.append(name)
        return SamplingResult(Decision.RECORD_AND_SAMPLE, {"by": "own"}, parent.trace_state)

    def get_description(self) -> str:
        return "OneByOne"


@pytest.fixture(params=[nanospan.TracerProvider, sdk.TracerProvider], ids=["native", "stock"])
def provider_class(request: pytest.FixtureRequest) -> Any:
    return request.param


def start(provider_class: Any, sampler: Sampler, links: Any, parent: SpanContext | None = None, **more: Any) -> Any:
    provider = provider_class(sampler=sampler, shutdown_on_exit=False)
    context = None if parent is None else set_span_in_context(NonRecordingSpan(parent))
    return provider.get_tracer("name").start_span("span", context, links=links, **more)


@pytest.mark.parametrize(
    ("links", "asked"),
    [
        ((), "root"),
        (None, "root"),
        ([], "root"),
        ([INVALID], "root"),
        ([SAMPLED], "linked_sampled"),
        ([DROPPED], "linked_not_sampled"),
        ([DROPPED] * 100 + [SAMPLED], "linked_sampled"),
        ([INVALID, DROPPED], "linked_not_sampled"),
        ((Other(SAMPLED.context),), "linked_sampled"),
        ([Link(SpanContext(7, 8, True, 1))], "linked_sampled"),  # type: ignore[arg-type]
        ([Link(SpanContext(7, 8, True, 0))], "linked_not_sampled"),  # type: ignore[arg-type]
        ([Link(SpanContext(7, 8, True, TraceFlags(3)))], "linked_sampled"),
    ],
)
@pytest.mark.parametrize("own", [False, True], ids=["nanospan's", "of the application"])
def test_which_sampler_decides(provider_class: Any, links: Any, asked: str, own: bool) -> None:
    names = ("root", "linked_sampled", "linked_not_sampled")
    delegates: dict[str, Any] = {name: OneByOne() if own else RateLimited(1000) for name in names}
    for sampler in (LinksBased(**delegates), ParentBased(LinksBased(**delegates))):
        assert start(provider_class, sampler, links).get_span_context().trace_flags.sampled
    counts = {name: len(one.asked) if own else one.stats()["asked"] for name, one in delegates.items()}
    assert counts == {name: 2 * (name == asked) for name in names}


@pytest.mark.parametrize(
    "links",
    [
        Broken(DROPPED),
        Broken(),
        [Other(RuntimeError("broken")), DROPPED],
        ["no link", DROPPED],
    ],
)
def test_what_cannot_be_read_is_no_link(links: Any) -> None:
    """Asked directly: a provider reads the links too."""
    result = LinksBased(ALWAYS_OFF, linked_not_sampled=ALWAYS_ON).should_sample(None, 1, "name", links=links)
    assert result.decision.is_sampled() == (getattr(links, "links", (DROPPED,)) != ())
    links = [Other(PlainFlags())]  # type: ignore[arg-type]
    assert LinksBased(ALWAYS_OFF).should_sample(None, 1, "name", links=links).decision.is_sampled()


@pytest.mark.parametrize(
    ("links", "attributes"), [([SAMPLED], {"by": "own"}), ([DROPPED], None), ([], {"a": 1})], ids=["kept", "dropped", "root"]
)
def test_attributes_of_the_delegate(provider_class: Any, links: Sequence[Link], attributes: dict[str, Any] | None) -> None:
    span = start(provider_class, LinksBased(ALWAYS_ON, linked_sampled=OneByOne()), links, attributes={"a": 1})
    assert getattr(span, "attributes", None) == attributes


@pytest.mark.parametrize(
    ("links", "parent", "state"),
    [
        ([], None, "ot=th:8"),
        ([SAMPLED], None, ""),
        ([], "ot=th:4;rv:ffffffffffffff,a=1", "ot=th:8;rv:ffffffffffffff,a=1"),
        # The share of the traces that links keep is not known.
        ([SAMPLED], "ot=th:4;rv:ffffffffffffff,a=1", "ot=rv:ffffffffffffff,a=1"),
        ([SAMPLED], "a=1", "a=1"),
    ],
)
def test_the_threshold(provider_class: Any, links: Sequence[Link], parent: str | None, state: str) -> None:
    root = RuleBased([], default=ConsistentProbability(0.5))
    remote = None if parent is None else SpanContext(5, 6, True, TraceFlags(3), TraceState.from_header([parent]))
    for _ in range(64):  # a new trace is kept half of the time
        made = start(provider_class, LinksBased(root), links, remote).get_span_context()
        if made.trace_flags.sampled:
            break
    assert made.trace_flags.sampled
    assert sorted(made.trace_state.to_header().split(",")) == sorted(state.split(","))


def test_counts_and_copies(provider_class: Any) -> None:
    sampler = LinksBased(ALWAYS_ON)
    for links in ([SAMPLED], [DROPPED], []):
        start(provider_class, sampler, links)
    assert sampler.stats() == {"asked": 3, "sampled": 2}


def test_spans_that_links_keep_count_for_the_root(provider_class: Any) -> None:
    root = Adaptive(5)
    for _ in range(20):
        start(provider_class, LinksBased(root), [SAMPLED])
    assert root.stats()["spans"] == 20
    assert root.stats()["asked"] == 0


class Subclass(LinksBased):
    def should_sample(self, *args: Any, **named: Any) -> SamplingResult:
        return SamplingResult(Decision.DROP)


@pytest.mark.parametrize("wrap", [lambda one: one, ParentBased, AlwaysRecord], ids=["alone", "ParentBased", "AlwaysRecord"])
def test_a_subclass_is_asked_in_python(provider_class: Any, wrap: Any) -> None:
    span = start(provider_class, wrap(Subclass(ALWAYS_ON)), [SAMPLED])
    assert not span.get_span_context().trace_flags.sampled


def test_inside_one_another(provider_class: Any) -> None:
    """Of nanospan's and the SDK's classes; deeper than native code goes."""
    inner: Sampler = StockRatio(1.0)
    for _ in range(40):
        inner = LinksBased(inner, linked_not_sampled=ParentBased(inner))
    assert start(provider_class, inner, [DROPPED]).get_span_context().trace_flags.sampled
    rules = RuleBased([Rule(attributes={"a": ANY}, sampler=LinksBased(ALWAYS_OFF))], default=ALWAYS_OFF)
    assert start(provider_class, rules, [SAMPLED], attributes={"a": 1}).get_span_context().trace_flags.sampled
