"""nanospan's trace context propagator reads as the API's, but by level 2: the same answer to each header in each carrier."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import default_getter, default_setter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context
from opentelemetry.trace.propagation import tracecontext as api
from support.propagation.carriers import (
    CARRIERS,
    GETTER_SHAPES,
    OURS,
    REMOTE,
    RIGHT,
    SHAPES,
    THEIRS,
    Headers,
    KeptSetter,
    OnceGetter,
    Text,
    carrier_kinds,
    contexts,
    outcome,
    shapes,
    thoroughly,
)
from support.propagation.headers import HEADER, IDS, traceparents, tracestates

from nanospan import propagation
from nanospan._native.context import propagator


def assert_extracts_the_same(carrier: Callable[[], Any], context: Callable[[], Any] = lambda: None) -> Any:
    right = outcome(lambda: RIGHT.extract(carrier(), context()))
    assert outcome(lambda: OURS.extract(carrier(), context())) == right
    return right[0]


class TestExtract:
    @thoroughly
    @given(header=traceparents)
    def test_traceparent(self, header: str) -> None:
        assert_extracts_the_same(lambda: {"traceparent": header})
        if header.isascii() and len(header) <= 512:
            context = THEIRS.extract({"traceparent": header})
            parent = trace.get_current_span(context).get_span_context()
            expected = (parent.trace_id, parent.span_id, parent.trace_flags) if context else None
            assert propagator.traceparent_from_text(header) == expected
        else:
            with pytest.raises(ValueError, match="512"):
                propagator.traceparent_from_text(header)

    @thoroughly
    @given(headers=st.lists(tracestates, min_size=1, max_size=3), shape=shapes)
    def test_tracestate(self, headers: list[str], shape: str) -> None:
        assert_extracts_the_same(lambda: {"traceparent": HEADER, "tracestate": SHAPES[shape](headers)})

    @thoroughly
    @given(
        parents=st.lists(traceparents, max_size=2),
        parent_shape=shapes,
        states=st.none() | st.lists(tracestates, max_size=3),
        state_shape=shapes,
        kind=carrier_kinds,
        context=contexts(),
    )
    def test_any_carrier(
        self,
        parents: list[str],
        parent_shape: str,
        states: list[str] | None,
        state_shape: str,
        kind: str,
        context: Callable[[], Any],
    ) -> None:
        def carrier() -> Any:
            headers: dict[str, Any] = {"other": "1", "traceparent": SHAPES[parent_shape](parents)}
            if states is not None:
                headers["tracestate"] = SHAPES[state_shape](states)
            return CARRIERS[kind](headers)

        assert_extracts_the_same(carrier, context)

    @thoroughly
    @given(
        parents=st.lists(traceparents, max_size=2),
        parent_shape=shapes,
        states=st.lists(tracestates, max_size=3),
        state_shape=shapes,
        answer=st.sampled_from(sorted(GETTER_SHAPES)),
        context=contexts(),
    )
    @example([HEADER], "first", ["a=1" + " " * 8190], "first", "list", Context)
    def test_a_getter_is_asked_as_often_as_by_the_api(
        self,
        parents: list[str],
        parent_shape: str,
        states: list[str],
        state_shape: str,
        answer: str,
        context: Callable[[], Any],
    ) -> None:
        def run(propagator: Any) -> tuple[Any, ...]:
            getter = OnceGetter(GETTER_SHAPES[answer])
            carrier = {"traceparent": SHAPES[parent_shape](parents), "tracestate": SHAPES[state_shape](states)}
            return outcome(lambda: propagator.extract(carrier, context(), getter)), getter.asked, list(carrier)

        assert run(OURS) == run(RIGHT)

    @pytest.mark.parametrize("name", ["Traceparent", "TRACEPARENT", "trace-parent"])
    @pytest.mark.parametrize("kind", sorted(CARRIERS))
    def test_case_of_the_name(self, name: str, kind: str) -> None:
        assert_extracts_the_same(lambda: CARRIERS[kind]({name: HEADER, "TraceState": "a=1"}))

    @pytest.mark.parametrize("carrier", [None, [], "traceparent", 7, {}, {"traceparent": None}])
    def test_odd_carriers(self, carrier: Any) -> None:
        assert_extracts_the_same(lambda: carrier)

    @pytest.mark.parametrize("getter", [None, "get", default_setter])
    def test_odd_getters(self, getter: Any) -> None:
        assert outcome(lambda: OURS.extract({}, None, getter)) == outcome(lambda: THEIRS.extract({}, None, getter))

    def test_a_getter_that_raises(self) -> None:
        class Broken(OnceGetter):
            def get(self, carrier: Any, key: str) -> Any:
                if key == carrier:
                    raise LookupError(key)
                return [HEADER]

        for name in ("traceparent", "tracestate"):
            with pytest.raises(LookupError, match=name):
                OURS.extract(name, getter=Broken(list))

    def test_keys_that_raise(self) -> None:
        class Key:
            def __hash__(self) -> int:
                return hash("traceparent")

            def __eq__(self, other: object) -> bool:
                raise LookupError("compared")

        for one in (OURS, THEIRS):
            with pytest.raises(LookupError, match="compared"):
                one.extract({Key(): HEADER})

    def test_the_given_context_stays_as_it_is(self) -> None:
        given_context = Context({"a": 1})
        result = OURS.extract({"traceparent": HEADER}, given_context)
        assert result is not given_context
        assert dict(given_context) == {"a": 1}
        assert next(iter(result)) == "a" and len(result) == 2
        with pytest.raises(ValueError):
            result["b"] = 2

    def test_without_a_valid_header_the_given_context_comes_back(self) -> None:
        given_context = Context({"a": 1})
        for carrier in ({}, {"traceparent": "00"}, {"traceparent": [HEADER + "x"]}):
            assert OURS.extract(carrier, given_context) is given_context
            # Its own object each time: Context.default would be shared by all who extract.
            assert OURS.extract(carrier) is not OURS.extract(carrier)

    def test_the_current_context_is_not_read(self) -> None:
        token = otel_context.attach(Context({"a": 1}))
        try:
            assert "a" not in OURS.extract({"traceparent": HEADER})
        finally:
            otel_context.detach(token)

    def test_a_missing_tracestate_is_the_default_one(self) -> None:
        parent = trace.get_current_span(OURS.extract({"traceparent": HEADER})).get_span_context()
        assert parent == REMOTE
        assert parent.trace_state is trace.DEFAULT_TRACE_STATE
        assert parent.is_valid is True and parent.is_remote is True

    def test_limits_are_logged_as_by_the_api(self) -> None:
        for carrier in (
            {"traceparent": f"01-{IDS}-01-".ljust(513, "x")},
            {"traceparent": HEADER, "tracestate": "a=1".ljust(8193)},
            {"traceparent": HEADER, "tracestate": ["a=1".ljust(4096), "b=2".ljust(4096)]},
        ):
            _, logged = outcome(lambda carrier=carrier: OURS.extract(carrier))
            assert logged == outcome(lambda carrier=carrier: THEIRS.extract(carrier))[1]
            if hasattr(THEIRS, "_TRACEPARENT_MAXIMUM_LENGTH"):  # the releases before it have no limits
                assert len(logged) == 1


@pytest.fixture
def calls_of_the_api(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which calls the API's class served; what they do does not change."""
    calls: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        plain = getattr(api.TraceContextTextMapPropagator, name)

        def call(*arguments: Any) -> Any:
            calls.append(name)
            return plain(*arguments)

        return call

    for name in ("extract", "inject"):
        monkeypatch.setattr(api.TraceContextTextMapPropagator, name, counted(name))
    return calls


class TestNativeRoute:
    def test_this_release_of_the_api_allows_every_fast_path(self) -> None:
        # Fails when a release changes Context, NonRecordingSpan or the headers: everything still works, but slowly.
        paths = propagator.fast_paths()
        assert set(paths) == {"same_as_api", "context_is_dict", "span_has_one_field", "trace_state_has_one_field"}
        assert all(paths.values()), paths

    @pytest.mark.parametrize(
        "carrier",
        [
            {},
            {"traceparent": HEADER},
            {"traceparent": [HEADER]},
            {"traceparent": HEADER, "tracestate": "a=1"},
            {"traceparent": HEADER, "tracestate": ["a=1", "b=2"]},
            {"traceparent": f" cc-{IDS}-01-later\n"},
            {"traceparent": "malformed"},
            {"traceparent": Text(HEADER)},
            {"traceparent": (HEADER,), "tracestate": ("a=1", Text("1=2"))},
            {"traceparent": [HEADER, HEADER]},
            {"traceparent": HEADER, "tracestate": "a=1,a=2,1=3"},
            Headers({"TraceParent": HEADER}),
            MappingProxyType({"traceparent": HEADER}),
        ],
    )
    def test_the_common_headers_are_read_natively(self, carrier: Any, calls_of_the_api: list[str]) -> None:
        OURS.extract(carrier)
        OURS.extract(carrier, Context({"a": 1}), OnceGetter(list) if not carrier else default_getter)
        assert calls_of_the_api == []

    @pytest.mark.parametrize(
        "carrier",
        [
            {"traceparent": f"cc-{IDS}-01-\xe9"},
            {"traceparent": " " * 513},
            {"traceparent": [7]},
            {"traceparent": HEADER, "tracestate": "a=1".ljust(8193)},
        ],
    )
    def test_odd_headers_are_left_to_the_api(self, carrier: Any, calls_of_the_api: list[str]) -> None:
        outcome(lambda: OURS.extract(carrier))
        assert calls_of_the_api == ["extract"]

    def test_span_contexts(self, calls_of_the_api: list[str]) -> None:
        for state in (None, TraceState([("a", "1")])):
            for bits in (0, 1, 255):
                span = NonRecordingSpan(SpanContext(2**128 - 1, 2**64 - 1, False, TraceFlags(bits), state))
                OURS.inject({}, set_span_in_context(span, Context()))
                OURS.inject([], set_span_in_context(span, Context()), KeptSetter())
        OURS.inject({})
        assert calls_of_the_api == []
        OURS.inject({}, set_span_in_context(NonRecordingSpan(SpanContext(1, 2, False, TraceFlags(256)))))
        assert calls_of_the_api == ["inject"]

    def test_nothing_is_left_behind(self) -> None:
        # Past the constructors, the counts of references are ours to keep.
        carrier = {"traceparent": HEADER, "tracestate": "a=1"}
        blocks = []
        for _ in range(4):
            for _ in range(2000):
                context = OURS.extract(carrier, Context({"a": 1}))
                OURS.extract({"traceparent": [HEADER]})
                OURS.inject({}, context)
            del context
            blocks.append(sys.getallocatedblocks())
        assert blocks[-1] - blocks[1] < 500


class TestClass:
    def test_derives_from_the_api_class_with_its_signatures(self) -> None:
        assert issubclass(propagation.TraceContextTextMapPropagator, api.TraceContextTextMapPropagator)
        for name in ("extract", "inject"):
            ours = inspect.signature(getattr(OURS, name)).parameters.values()
            theirs = inspect.signature(getattr(THEIRS, name)).parameters.values()
            assert [(p.name, p.default, p.kind) for p in ours] == [(p.name, p.default, p.kind) for p in theirs]

    def test_fields_are_inherited(self) -> None:
        assert OURS.fields == THEIRS.fields == {"traceparent", "tracestate"}
        assert "fields" not in vars(propagation.TraceContextTextMapPropagator)

    def test_keywords(self) -> None:
        context = OURS.extract(carrier={"traceparent": HEADER}, context=Context({"a": 1}), getter=default_getter)
        carrier: dict[str, str] = {}
        assert OURS.inject(carrier=carrier, context=context, setter=default_setter) is None
        assert carrier == {"traceparent": HEADER}

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
    def test_copies_work(self, copied: Callable[[Any], Any]) -> None:
        again = copied(OURS)
        assert type(again) is type(OURS)
        assert trace.get_current_span(again.extract({"traceparent": HEADER})).get_span_context() == REMOTE

    def test_a_subclass_may_rename_the_headers(self) -> None:
        class Renamed(propagation.TraceContextTextMapPropagator):
            _TRACEPARENT_HEADER_NAME = "x-traceparent"

        propagator = Renamed()
        context = propagator.extract({"x-traceparent": HEADER, "traceparent": "malformed"})
        assert trace.get_current_span(context).get_span_context() == REMOTE
        carrier: dict[str, str] = {}
        propagator.inject(carrier, context)
        assert carrier == {"x-traceparent": HEADER}
