"""The pytest plugin, in a pytest of its own over both providers: what does not hold fails, with the tree of the spans."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nanospan import TracerProvider
from nanospan.testing import Traces

PROVIDERS = {
    "none set": "",
    "nanospan": "import nanospan\nfrom opentelemetry import trace\n"
    "trace.set_tracer_provider(nanospan.TracerProvider(shutdown_on_exit=False))\n",
    "stock": "from opentelemetry import trace\nfrom opentelemetry.sdk.trace import TracerProvider\n"
    "trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))\n",
}

APPLICATION = """
import pytest
from opentelemetry import trace
from opentelemetry.trace import Link, SpanKind

tracer = trace.get_tracer("app")


def order():
    with tracer.start_as_current_span("POST /orders", kind=SpanKind.SERVER) as span:
        with tracer.start_as_current_span("send orders", kind=SpanKind.PRODUCER) as sending:
            pass
    with tracer.start_as_current_span("process orders", kind=SpanKind.CONSUMER, links=[Link(sending.get_span_context())],
                                      attributes={"messaging.system": "kafka"}):
        tracer.start_span("charge").end()
"""

PASSES = """
@pytest.mark.parametrize("times", [1, 2])
def test_each_test_has_its_own_spans(traces, times):
    order()
    assert len(traces.spans) == 4
    traces.assert_whole()
    traces.assert_child("send orders", of="POST /orders")
    traces.assert_child(traces.one("charge"), of="process orders")
    traces.assert_linked("process orders", "send orders")
    traces.assert_ends_before("send orders", "process orders")
    assert traces.named("nothing") == []
    traces.clear()
    assert traces.spans == []


left_open = tracer.start_span("before")


def test_what_began_before_is_not_here(traces):
    left_open.end()
    assert traces.spans == []
    assert traces.tree() == "no spans"


def test_without_the_fixture():
    order()


def test_what_the_broker_hands_back(traces):
    from nanospan.messaging import KAFKA, extract, inject
    with tracer.start_as_current_span("send"):
        headers = traces.wire(inject(KAFKA, [("mine", b"1")]))
    assert all(type(key) is str and type(value) is bytes for key, value in headers)
    sent = trace.get_current_span(extract(KAFKA, headers)).get_span_context()
    assert sent.span_id == traces.one("send").get_span_context().span_id
"""

FAILS = {
    "whole": ("tracer.start_span('open')\n    traces.assert_whole()", "not ended: open"),
    "lost": (
        "from opentelemetry.context import Context\n"
        "    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context\n"
        "    gone = NonRecordingSpan(SpanContext(1, 2, False, TraceFlags(1)))\n"
        "    tracer.start_span('orphan', set_span_in_context(gone, Context())).end()\n    traces.assert_whole()",
        "the parent is not there of: orphan",
    ),
    "pieces": (
        "from opentelemetry.context import Context\n"
        "    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context\n"
        "    for number in (2, 3):\n"
        "        gone = NonRecordingSpan(SpanContext(1, number, True, TraceFlags(1)))\n"
        "        tracer.start_span(f'piece {number}', set_span_in_context(gone, Context())).end()\n"
        "    traces.assert_whole()",
        "a trace is in pieces, which begin with: piece 2, piece 3",
    ),
    "child": ("order()\n    traces.assert_child('charge', of='POST /orders')", "'charge' is no child of 'POST /orders'"),
    "linked": (
        "order()\n    traces.assert_linked('charge', 'send orders')",
        "'charge' has no links to 'send orders', not one",
    ),
    "before": (
        "order()\n    traces.assert_ends_before('process orders', 'send orders')",
        "'process orders' has not ended before 'send orders' starts",
    ),
    "one": ("order()\n    order()\n    traces.one('charge')", "2 spans are named 'charge', not one"),
    "none": ("traces.one('charge')", "no spans are named 'charge', not one"),
}


def run_pytest(folder: Path, conftest: str, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_app.py").write_text(APPLICATION + text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), "-c", "/dev/null"]
    # By its entry point where the package is installed.
    command += [] if _is_installed() else ["-p", "nanospan.testing.plugin"]
    return subprocess.run([*command, "test_app.py"], cwd=folder, capture_output=True, text=True)


def _is_installed() -> bool:
    from importlib.metadata import entry_points

    return "nanospan" in entry_points(group="pytest11").names


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_holds_passes(tmp_path: Path, provider: str) -> None:
    done = run_pytest(tmp_path, PROVIDERS[provider], PASSES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_does_not_fails_with_the_tree(tmp_path: Path, provider: str) -> None:
    tests = "".join(f"\ndef test_{name}(traces):\n    {body}\n" for name, (body, _) in FAILS.items())
    done = run_pytest(tmp_path, PROVIDERS[provider], tests)
    assert f"{len(FAILS)} failed" in done.stdout, done.stdout + done.stderr
    for name, (_, said) in FAILS.items():
        assert f"AssertionError: {said}" in done.stdout, name
    assert re.search(r"trace [0-9a-f]{32}\nE +POST /orders \[SERVER\]\nE +└ send orders \[PRODUCER\]\n", done.stdout)
    assert "process orders [CONSUMER] messaging.system='kafka' -> send orders\n" in done.stdout
    assert "open (not ended)" in done.stdout
    assert "orphan (parent 0000000000000002 is LOST)" in done.stdout


def test_a_span_that_the_collector_ends_under_the_lock_does_not_wait_for_itself() -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    recorded = Traces(provider)
    span = recorded.tracer.start_span("of a generator")

    def end() -> None:
        with recorded._changed:
            span.end()

    thread = threading.Thread(target=end, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert recorded.one("of a generator").end_time
    recorded.close()
