"""Anything for the arguments of samplers, rules, policies and settings: ValueError or TypeError that names something, or
what works and can be asked."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

from fuzz.draw import Draw
from opentelemetry.trace import SpanKind
from support.policies import compile_policies

from nanospan import sampling, tail
from nanospan.export._settings import endpoint, environment
from nanospan.processor._settings import resolve_settings

SAMPLERS = [sampling.ALWAYS_ON, sampling.ALWAYS_OFF, sampling.RateLimited(5), sampling.ConsistentProbability(0.5)]
REFUSED = (TypeError, ValueError)


def value(draw: Draw) -> Any:
    return draw.value(hostile=False)


def amount(draw: Draw) -> Any:
    return draw.number() if draw.byte() % 4 else value(draw)


def text(draw: Draw) -> Any:
    return draw.text() if draw.byte() % 4 else value(draw)


def options(draw: Draw, **kinds: Callable[[Draw], Any]) -> dict[str, Any]:
    return {name: kind(draw) for name, kind in kinds.items() if draw.byte() % 3 == 1}


def kinds(draw: Draw) -> Any:
    return draw.one([None, SpanKind.SERVER, [SpanKind.CLIENT], (), value(draw)])


def rule(draw: Draw) -> sampling.Rule:
    wanted = {
        draw.key(): draw.one([sampling.ANY, text(draw), [text(draw), draw.integer()], value(draw)])
        for _ in range(draw.byte() % 3)
    }
    return sampling.Rule(
        sampler=draw.one(SAMPLERS) if draw.byte() % 16 else value(draw),
        name=draw.one([None, text(draw)]),
        scope=draw.one([None, text(draw)]),
        kind=kinds(draw),
        attributes=wanted if draw.byte() % 8 else value(draw),
        parent=draw.one([None, "none", ["local", "remote"], text(draw)]),
        external=draw.one([None, False, True, value(draw)]),
    )


def rule_based(draw: Draw) -> None:
    sampler = sampling.RuleBased([rule(draw) for _ in range(draw.byte() % 3)], default=sampling.ALWAYS_ON)
    attributes = draw.attributes(hostile=False)
    name = draw.text()
    sampler.should_sample(None, 1, name, draw.one(list(SpanKind)), attributes)
    sampler.get_description()
    assert sampler.stats()["asked"] == 1


def policy(draw: Draw, depth: int = 0) -> tail.Policy:
    made: dict[str, Callable[[], tail.Policy]] = {
        "always": lambda: tail.AlwaysSample(**options(draw, name=text)),
        "status": lambda: tail.StatusCode(*[draw.one(["ERROR", "OK", value(draw)]) for _ in range(draw.byte() % 3)]),
        "latency": lambda: tail.Latency(amount(draw), amount(draw)),
        "string": lambda: tail.StringAttribute(
            text(draw),
            draw.one([[text(draw)], [draw.text(), draw.text()], value(draw)]),
            **options(draw, enabled_regex_matching=lambda draw: draw.one([True, value(draw)]), cache_max_size=amount),
        ),
        "number": lambda: tail.NumericAttribute(text(draw), amount(draw), amount(draw), **options(draw, invert_match=value)),
        "boolean": lambda: tail.BooleanAttribute(text(draw), draw.one([True, False, value(draw)])),
        "chance": lambda: tail.Probabilistic(amount(draw), **options(draw, hash_salt=text)),
        "rate": lambda: tail.RateLimiting(amount(draw), **options(draw, burst_capacity=amount, consistent=value)),
        "bytes": lambda: tail.BytesLimiting(amount(draw), **options(draw, burst_capacity=amount)),
        "spans": lambda: tail.SpanCount(amount(draw), amount(draw)),
        "state": lambda: tail.TraceState(text(draw), draw.one([[text(draw)], value(draw)])),
        "flags": lambda: tail.TraceFlags(),
        "and": lambda: tail.And(*parts(draw, depth)),
        "not": lambda: tail.Not(policy(draw, depth + 1)),
        "drop": lambda: tail.Drop(*parts(draw, depth)),
        "composite": lambda: tail.Composite(
            parts(draw, depth), amount(draw), draw.one([None, {"trace_flags": amount(draw)}, value(draw)])
        ),
    }
    names = list(made)
    return made[draw.one(names if depth < 10 else names[:12])]()


def parts(draw: Draw, depth: int) -> list[tail.Policy]:
    return [policy(draw, depth + 1) for _ in range(draw.byte() % 4)]


def tail_sampling(draw: Draw) -> None:
    policies = [policy(draw) for _ in range(1 + draw.byte() % 3)]
    settings = tail.TailSampling(
        policies,
        **options(
            draw,
            decision_wait=amount,
            decision_wait_after_root_ended=amount,
            num_traces=amount,
            max_bytes=amount,
            decision_cache_size=amount,
        ),
    )
    compiled = compile_policies(settings.policies)
    compiled.facts(draw.rest())
    compiled.decide(matches=draw.byte(), bytes=100)
    counts = compiled.counts()
    assert tuple(counts) == settings.policy_names
    repr(settings)


def samplers(draw: Draw) -> None:
    made = draw.one(
        [
            lambda: sampling.ConsistentProbability(amount(draw), **options(draw, precision=amount, randomness=text)),
            lambda: sampling.RateLimited(amount(draw), **options(draw, burst=amount, consistent=value)),
            lambda: sampling.Adaptive(amount(draw), **options(draw, averaging_seconds=amount, min_probability=amount)),
            lambda: sampling.OverheadBudget(amount(draw), **options(draw, averaging_seconds=amount, min_probability=amount)),
            lambda: sampling.TraceIdRatioBased(amount(draw)),
        ]
    )()
    made.should_sample(None, draw.one([1, 2**128 - 1]), "name")
    made.get_description()


def queue(draw: Draw) -> None:
    settings = resolve_settings(*(draw.one([None, amount(draw)]) for _ in range(5)))
    assert 1 <= settings.max_queue_size < 2**31 and settings.schedule_delay_millis > 0
    assert settings.max_export_batch_size is None or 1 <= settings.max_export_batch_size <= settings.max_queue_size
    assert settings.wake_spans >= 1 and settings.export_timeout_millis > 0


def exporters(draw: Draw) -> None:
    draw.one(
        [
            lambda: environment.resolve_timeout(amount(draw)),
            lambda: environment.resolve_compression(text(draw)),
            lambda: environment.check_header(text(draw), text(draw)),
            lambda: endpoint.resolve_http_endpoint(text(draw)),
            lambda: endpoint.resolve_grpc_endpoint(text(draw), draw.flag()),
        ]
    )()


AREAS = [samplers, rule_based, tail_sampling, queue, exporters]


def check(data: bytes) -> None:
    draw = Draw(data)
    area = draw.one(AREAS)
    logging.disable(logging.CRITICAL)
    try:
        # re has words about patterns that may mean something else one day.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            area(draw)
    except REFUSED as error:
        # Whoever reads the message learns which argument it was: the interpreter's own words about numbers do not say it.
        assert "Exceeds the limit" not in str(error), error
    finally:
        logging.disable(logging.NOTSET)
