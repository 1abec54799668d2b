"""The instrumentations' own tests, from their sdists: what passes with the SDK's provider passes with nanospan's.

They take some minutes for each interpreter and fetch some eighty packages the first time, so they run where they are asked
for: with ``NANOSPAN_SUITES=1``. None needs a broker.
"""

from __future__ import annotations

import os

import pytest

# What the suites import, in releases that the instrumentations know: later ones of fastapi make spans of their own.
LIBRARIES = {
    "aio-pika": ["aio-pika>=7.2,<11"],
    "aiokafka": ["aiokafka>=0.8,<1", "typing-extensions~=4.1"],
    "asgi": ["asgiref~=3.0"],
    "asyncio": [],
    "boto3sqs": ["boto3~=1.0"],
    "celery": ["celery>=4,<6"],
    "confluent-kafka": ["confluent-kafka>=1.8.2,<3"],
    "fastapi": ["asgiref~=3.0", "fastapi>=0.115,<0.137", "httpx", "httpx2", "requests~=2.28"],
    "flask": ["flask>=3"],
    "httpx": ["httpx<1", "httpx2", "respx"],
    "kafka-python": ["kafka-python>=2,<4"],
    "logging": [],
    "pika": ["pika>=0.12"],
    "redis": ["fakeredis", "redis>=2.6"],
    "requests": ["mocket", "requests~=2.28"],
    "sqlalchemy": ["aiosqlite", "greenlet", "sqlalchemy>=2,<2.1"],
    "threading": [],
    "wsgi": [],
}
# Run with `nanospan.concurrency.instrument_threads` too: they replace what it replaces, or their libraries start threads.
IN_THREADS = ("asyncio", "celery", "threading")
# The instrumentations that others are built on. No more are installed than a suite needs: one counts its entry points.
BUILT_ON = {"fastapi": ["asgi"], "flask": ["wsgi"]}
# Their tests look at mocks of tracers.
WITHOUT_SPANS = ("aio-pika",)
# About how many tests of each pass with the SDK's provider: far fewer mean that the suite did not run.
MIN_COUNT = {
    "aio-pika": 9,
    "aiokafka": 16,
    "asgi": 90,
    "asyncio": 23,
    "boto3sqs": 14,
    "celery": 27,
    "confluent-kafka": 15,
    "fastapi": 105,
    "flask": 55,
    "httpx": 170,
    "kafka-python": 13,
    "logging": 65,
    "pika": 30,
    "redis": 65,
    "requests": 75,
    "sqlalchemy": 55,
    "threading": 14,
    "wsgi": 50,
}


@pytest.mark.timeout(3600)
@pytest.mark.skipif(os.environ.get("NANOSPAN_SUITES") != "1", reason="NANOSPAN_SUITES is not 1")
@pytest.mark.parametrize(
    ("name", "threads"),
    [
        *(pytest.param(name, False, id=name) for name in LIBRARIES),
        *(pytest.param(name, True, id=f"{name}, threads instrumented") for name in IN_THREADS),
    ],
)
def test_the_suite_passes_as_with_the_sdk(
    name, threads, reference_sdist, reference_packages, sdk_series, compare_suite, monkeypatch
):
    monkeypatch.setenv("NANOSPAN_IN_PLACE_THREADS", str(int(threads)))
    source = reference_sdist(f"opentelemetry-instrumentation-{name}", sdk_series)
    own_release = "==" + source.name.rpartition("-")[2]
    packages = reference_packages(
        f"opentelemetry-instrumentation-{name}{own_release}",
        *(f"opentelemetry-instrumentation-{other}{sdk_series}" for other in BUILT_ON.get(name, [])),
        *(f"opentelemetry-{helper}{sdk_series}" for helper in ("instrumentation", "test-utils", "util-http")),
        needs=False,
    )
    libraries = reference_packages("packaging", "wrapt>=1.11.2,<3", *LIBRARIES[name])

    suite = compare_suite(source, ["tests"], [packages, libraries])

    suite.repeat()
    assert len(suite.passed_with_stock()) >= MIN_COUNT[name], suite.stock.output
    lost = suite.differing()
    assert not lost, suite.native.describe(lost)
    if name in WITHOUT_SPANS:
        suite.check_kinds()
    else:
        suite.check_spans()
