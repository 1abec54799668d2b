"""The instrumentations' own tests, from their sdists: what passes with the SDK's provider passes with nanospan's.

They take half a minute for each interpreter and fetch some forty packages the first time, so they run where they are asked
for: with ``NANOSPAN_SUITES=1``.
"""

from __future__ import annotations

import os

import pytest

# What the suites import, in releases that the instrumentations know: later ones of fastapi make spans of their own.
LIBRARIES = {
    "asgi": ["asgiref~=3.0"],
    "fastapi": ["asgiref~=3.0", "fastapi>=0.115,<0.137", "httpx", "httpx2", "requests~=2.28"],
    "flask": ["flask>=3"],
    "httpx": ["httpx<1", "httpx2", "respx"],
    "logging": [],
    "requests": ["mocket", "requests~=2.28"],
    "sqlalchemy": ["aiosqlite", "greenlet", "sqlalchemy>=2,<2.1"],
    "threading": [],
    "wsgi": [],
}
# The instrumentations that others are built on. No more are installed than a suite needs: one counts its entry points.
BUILT_ON = {"fastapi": ["asgi"], "flask": ["wsgi"]}
# About how many tests of each pass with the SDK's provider: far fewer mean that the suite did not run.
MIN_COUNT = {
    "asgi": 90,
    "fastapi": 105,
    "flask": 55,
    "httpx": 170,
    "logging": 65,
    "requests": 75,
    "sqlalchemy": 55,
    "threading": 14,
    "wsgi": 50,
}


@pytest.mark.timeout(3600)
@pytest.mark.skipif(os.environ.get("NANOSPAN_SUITES") != "1", reason="NANOSPAN_SUITES is not 1")
@pytest.mark.parametrize("name", LIBRARIES)
def test_the_suite_passes_as_with_the_sdk(name, reference_sdist, reference_packages, sdk_series, compare_suite):
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

    assert len(suite.stock.passed) >= MIN_COUNT[name], suite.stock.output
    lost = suite.lost()
    assert not lost, suite.native.describe(lost)
    suite.check_spans()
