"""Processes that are ended twice: a signal that comes while the last spans are on their way to the collector."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from hosts.running import Hosts
from support.accounting import WAIT, spans_in
from support.patient_collector import PatientCollector

COMMON = """
import ledger, multiprocessing, os, signal
from opentelemetry import trace

for number in range(2):
    signal.signal(signal.SIGRTMIN + number, lambda number, _: ledger.note(f"witness {number - signal.SIGRTMIN}"))

def work():
    ledger.span(f"span of {os.getpid()}")

def work_in(method):
    child = multiprocessing.get_context(method).Process(target=work)
    child.start()
    child.join()
"""

PROGRAMS = {
    "exit handlers": "work()",
    "exit handlers but the provider's": "import atexit; atexit.unregister(trace.get_tracer_provider().shutdown); work()",
    "exit handlers, two processors": """
import nanospan
trace.get_tracer_provider().add_span_processor(nanospan.BatchSpanProcessor())
work()
""",
    "asyncio": """
import asyncio
async def main():
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    work()
    os.kill(os.getpid(), signal.SIGTERM)
    await ended.wait()
asyncio.run(main())
""",
    "default action": "work(); signal.signal(signal.SIGTERM, signal.SIG_DFL)",
    "os._exit": "work(); os._exit(3)",
    "os.execv": "work(); os.execv('/bin/true', ['true'])",
    "unhandled SIGTERM": "work(); os.kill(os.getpid(), signal.SIGTERM)",
    "forked by multiprocessing": "work_in('fork')",
    "spawned by multiprocessing": "if __name__ == '__main__': work_in('spawn')",
}
"""What each does, and how it ends first."""

SIGNALS = [("TERM",), ("HUP",), ("INT",), ("TERM", "TERM"), ("INT", "INT"), ("INT", "TERM"), ("HUP", "INT")]


@pytest.mark.slow("each starts a process or two")
@pytest.mark.parametrize("signals", SIGNALS, ids="-".join)
@pytest.mark.parametrize("program", PROGRAMS)
def test_signals_during_the_last_send_lose_nothing(
    hosts: Callable[..., Hosts], program: str, signals: tuple[str, ...]
) -> None:
    """The collector answers when the process has handled them, unless it has gone without the answer by then."""
    host = hosts()

    def end_again(body: bytes, wait_until: Callable[[Callable[[], bool]], None]) -> None:
        (pid,) = {int(re.sub(r"\D", "", span.name)) for span in spans_in([body])}

        def is_handled(number: int) -> bool:
            # Python runs the handler of this signal within or after that of one which came before, as its number is higher.
            os.kill(pid, signal.SIGRTMIN + number)
            return f"witness {number}" in host.ended()

        for number, name in enumerate(signals):
            os.kill(pid, signal.Signals[f"SIG{name}"])
            wait_until(partial(is_handled, number))

    (host.folder / "program.py").write_text(COMMON + PROGRAMS[program])
    with PatientCollector(end_again) as collector:
        process = host.start("python", "program.py", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=collector.endpoint_http)
        process.wait(WAIT)
        arrived = Counter(span.name for span in spans_in(collector.bodies))
    (ended,) = (name for name in host.ended() if name.startswith("span"))
    assert arrived == {ended: 2 if "two" in program else 1}, host.said()
