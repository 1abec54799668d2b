"""Many threads on the same spans: totals add up, whoever comes first."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.trace import SpanContext, format_span_id, get_current_span
from support.parity.implementation import Implementation
from support.parity.pipeline import Alternating, Recorder, collecting_batches, spans_in_order

THREADS = 8
ROUNDS = 300
NO_LIMITS = SpanLimits(**dict.fromkeys(("max_span_attributes", "max_events", "max_links"), SpanLimits.UNSET))


@pytest.fixture(autouse=True)
def switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(autouse=True)
def warnings_unheard() -> Iterator[None]:
    """Of values that are made text, thousands of them: written, but not into the test's report."""
    logger = logging.getLogger("opentelemetry.attributes")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(logger, "propagate", False)
        monkeypatch.setattr(logger, "handlers", [logging.NullHandler()])
        yield


def together(work: Callable[[int], None]) -> None:
    """Run ``work`` in all threads at once, with the thread's number; what any of them raises is raised here."""
    barrier = threading.Barrier(THREADS)
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            barrier.wait()
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class Slow:
    """A value whose text takes a detour through the interpreter."""

    def __str__(self) -> str:
        return "".join(str(digit) for digit in range(5))


def test_different_attributes(implementation: Implementation) -> None:
    span = implementation.tracer(span_limits=NO_LIMITS).start_span("span")

    def work(number: int) -> None:
        for round_ in range(ROUNDS):
            span.set_attribute(f"{number} {round_}", round_)

    together(work)
    assert len(span.attributes) == THREADS * ROUNDS
    assert span.dropped_attributes == 0


@pytest.mark.parametrize("value", [1, Slow()], ids=["number", "text of an object"])
@pytest.mark.parametrize("together_set", [False, True], ids=["one", "several"])
def test_the_same_attributes(implementation: Implementation, value: object, together_set: bool) -> None:
    """Every key is there once."""
    batches, collector = collecting_batches()
    provider = implementation.provider(batches)
    tracer = provider.get_tracer("name")
    keys = [f"key {number}" for number in range(10)]
    spans = [tracer.start_span(str(number)) for number in range(ROUNDS // 10)]

    def work(number: int) -> None:
        for span in spans:
            if together_set:
                span.set_attributes(dict.fromkeys(keys, value))
            else:
                for key in keys:
                    span.set_attribute(key, value)

    together(work)
    for span in spans:
        span.end()
    assert provider.force_flush()
    for message in spans_in_order(collector):
        assert sorted(pair.key for pair in message.attributes) == keys
    for span in spans:
        assert sorted(span.attributes) == keys
    provider.shutdown()


@pytest.mark.parametrize("limit", [0, 1, 5, 100])
def test_attributes_up_to_a_limit(implementation: Implementation, limit: int) -> None:
    span = implementation.tracer(span_limits=SpanLimits(max_span_attributes=limit)).start_span("span")

    def work(number: int) -> None:
        for round_ in range(ROUNDS):
            span.set_attribute(f"{number} {round_}", Slow() if round_ % 10 == 0 else 1)

    together(work)
    assert len(span.attributes) == limit
    assert span.dropped_attributes == THREADS * ROUNDS - limit


@pytest.mark.parametrize("limit", [None, 7])
def test_events_and_links(implementation: Implementation, limit: int | None) -> None:
    limits = SpanLimits(max_events=limit or SpanLimits.UNSET, max_links=limit or SpanLimits.UNSET)
    span = implementation.tracer(span_limits=limits).start_span("span")

    def work(number: int) -> None:
        for round_ in range(ROUNDS):
            span.add_event(f"{number}", {"round": round_, "slow": Slow() if round_ % 10 == 0 else 1})
            span.add_link(SpanContext(number + 1, round_ + 1, False))

    together(work)
    for kept, dropped in ((span.events, span.dropped_events), (span.links, span.dropped_links)):
        assert len(kept) == limit if limit else THREADS * ROUNDS
        assert len(kept) + dropped == THREADS * ROUNDS


def test_one_end(implementation: Implementation, caplog: pytest.LogCaptureFixture) -> None:
    """However many end it, processors are called once, and the others are told."""
    recorder = Recorder()
    tracer = implementation.tracer(recorder)
    spans = [tracer.start_span("span") for _ in range(ROUNDS)]

    def work(number: int) -> None:
        for span in spans:
            span.end() if number % 2 else span.end(end_time=number)

    together(work)
    assert len(recorder.ended) == ROUNDS
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["Calling end() on an ended span."] * (ROUNDS * (THREADS - 1))


def test_writing_while_it_ends(implementation: Implementation, caplog: pytest.LogCaptureFixture) -> None:
    """What was written before the end is sent, what came after is not, and what is sent does not change any more."""
    caplog.set_level("CRITICAL")
    batches, collector = collecting_batches()
    provider = implementation.provider(batches, span_limits=NO_LIMITS)
    tracer = provider.get_tracer("name")
    spans = [tracer.start_span(str(number)) for number in range(ROUNDS)]

    def work(number: int) -> None:
        for span in spans:
            if number == 0:
                span.end()
            else:
                span.set_attribute(f"key {number}", Slow())
                span.add_event(f"event {number}", {"slow": Slow()}, number)
                span.set_attributes({f"more {number}": Slow(), "shared": number})
                span.update_name(f"{number}")

    together(work)
    assert provider.force_flush()
    sent = spans_in_order(collector)
    assert len(sent) == ROUNDS
    for message, span in zip(sent, spans, strict=True):
        assert [pair.key for pair in message.attributes] == list(span.attributes)
        assert [event.name for event in message.events] == [event.name for event in span.events]
        assert message.name == span.name
        assert not span.is_recording()
    provider.shutdown()


def test_reading_while_it_is_written(implementation: Implementation) -> None:
    """Looking at a span makes containers of what was held natively; nothing is lost over that."""
    tracer = implementation.tracer(span_limits=NO_LIMITS)
    spans = [tracer.start_span(str(number), attributes={"first": 1}) for number in range(ROUNDS // 3)]

    def work(number: int) -> None:
        for span in spans:
            if number == 0:
                assert span.attributes["first"] == 1
                assert span.to_json()
                assert span.dropped_attributes == len(span.links) == 0
            else:
                span.set_attribute(f"key {number}", Slow())
                span.add_event(f"event {number}", {"a": Slow()})

    together(work)
    for span in spans:
        assert sorted(span.attributes) == ["first", *(f"key {number}" for number in range(1, THREADS))]
        assert len(span.events) == THREADS - 1


def test_starting_while_processors_are_added(implementation: Implementation) -> None:
    recorders = [Recorder() for _ in range(THREADS)]
    provider = implementation.provider()
    tracer = provider.get_tracer("name")

    def work(number: int) -> None:
        provider.add_span_processor(recorders[number])
        for _ in range(ROUNDS):
            tracer.start_span(f"{number}").end()

    together(work)
    for number, recorder in enumerate(recorders):
        assert sum(span.name == str(number) for span in recorder.ended) == ROUNDS
    assert len(provider._active_span_processor._span_processors) == THREADS


def test_each_thread_has_its_own_current_span(implementation: Implementation) -> None:
    recorder = Recorder()
    tracer = implementation.tracer(recorder)

    def work(number: int) -> None:
        for round_ in range(ROUNDS // 3):
            with tracer.start_as_current_span(f"outer {number}", context=Context()) as outer:
                with tracer.start_as_current_span(f"inner {number} {round_}") as inner:
                    assert get_current_span() is inner
                    assert inner.parent == outer.get_span_context()
                assert get_current_span() is outer

    together(work)
    assert len(recorder.ended) == 2 * THREADS * (ROUNDS // 3)
    identifiers = {span.context.span_id for span in recorder.ended}
    assert len(identifiers) == len(recorder.ended)


def test_tracers_of_the_same_scope(implementation: Implementation) -> None:
    provider = implementation.provider()
    found: list[int] = []
    together(lambda number: found.extend(id(provider.get_tracer(f"name {n % 10}")) for n in range(ROUNDS)))
    assert len(set(found)) == 10


def test_spans_everywhere(implementation: Implementation) -> None:
    """Started, written, nested, ended and let go of in all threads: each arrives once, with what is its own."""
    batches, collector = collecting_batches()
    provider = implementation.provider(batches, sampler=Alternating())
    tracer = provider.get_tracer("name")
    sampled: list[str] = []

    def work(number: int) -> None:
        for round_ in range(ROUNDS):
            name = f"{number} {round_}"
            with tracer.start_as_current_span(name, attributes={"name": name}, context=Context()) as span:
                child = tracer.start_span(name, attributes={"parent": format_span_id(span.get_span_context().span_id)})
                span.set_attribute("slow", Slow())
                for one in (span, child):
                    one.add_event(name, {"slow": Slow()}, 1)
                    if one.get_span_context().trace_flags.sampled:
                        sampled.append(name)
                child.end()
                del child

    together(work)
    assert provider.force_flush()
    messages = spans_in_order(collector)
    assert sorted(message.name for message in messages) == sorted(sampled)
    assert len({message.span_id for message in messages}) == len(messages)
    for message in messages:
        found = {pair.key: pair.value for pair in message.attributes}
        assert [event.name for event in message.events] == [message.name]
        if message.parent_span_id:
            assert found["parent"].string_value == message.parent_span_id.hex()
        else:
            assert (found["name"].string_value, found["slow"].string_value) == (message.name, "01234")
    provider.shutdown()
