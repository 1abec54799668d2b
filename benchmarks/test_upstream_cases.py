"""The cases of upstream_cases.py under pytest-benchmark, grouped by case. upstream_cases.py itself takes turns in one
run and says which case is slower than stock."""

from __future__ import annotations

import pytest
from common.contenders import IMPLEMENTATIONS
from upstream_cases import CASES, CONTENTION_SPANS, CONTENTION_THREADS, Contention, tracer_of

import nanospan

ROUNDS = 10


@pytest.fixture(params=IMPLEMENTATIONS)
def implementation(request):
    if request.param == "nanospan" and not hasattr(nanospan, "TracerProvider"):
        pytest.skip("nanospan.TracerProvider is missing")
    return IMPLEMENTATIONS[request.param]


@pytest.mark.parametrize("case", CASES)
def test_case(benchmark, implementation, case):
    benchmark.group = case
    benchmark(CASES[case](tracer_of(implementation)))


@pytest.mark.parametrize("threads", CONTENTION_THREADS)
def test_contention(benchmark, receiver, implementation, threads):
    benchmark.group = f"{CONTENTION_SPANS} spans on {threads} threads beside a batch processor"
    before = receiver.stats()["spans"]
    with Contention(implementation, threads, receiver.endpoint_http) as contention:
        benchmark.pedantic(contention.make_spans, setup=contention.flush, rounds=ROUNDS, warmup_rounds=1)
    sent = CONTENTION_SPANS * (ROUNDS + 1)
    receiver.wait_for_spans(before + sent, 10.0)
    assert receiver.stats()["spans"] - before == sent
