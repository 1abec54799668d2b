"""AWS Lambda's runtime interface client, stopped between two events: an event's spans are sent before that, or after it."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from hosts.running import Hosts, work
from hosts.runtime_api import runtime_api
from support.receivers import HttpReceiver, answer, reset

pytestmark = pytest.mark.timeout(300)  # the first time it fetches packages

RUNTIME = ("python", "-m", "awslambdaric", "lambda_function.handler")


def test_the_spans_of_an_event_are_sent_before_the_freeze(hosts: Callable[..., Hosts]) -> None:
    """Also those of one that fails, and of the import; the frozen process is killed in the end, as Lambda does."""
    host = hosts("awslambdaric")
    with runtime_api() as api:
        process = host.start(*RUNTIME, AWS_LAMBDA_RUNTIME_API=api.address)
        for number in range(4):
            api.freeze(process.pid, polls=number + 1)
            assert host.check_nothing_lost() == 1 + 2 * number
            event = api.send({"number": number, "fails": number == 2})
            api.thaw(process.pid)
            host.wait_for(process, *work(number))
        api.freeze(process.pid, polls=5)
        assert api.answers[event] == ("response", 3)
        host.end(process, signal.SIGKILL)
        assert host.check_nothing_lost() == 9
        assert [kind for kind, _ in api.answers.values()] == ["response", "response", "error", "response"]


def test_an_export_that_the_freeze_interrupts_is_repeated(hosts: Callable[..., Hosts]) -> None:
    """The collector holds the first request; its connection breaks while the process is frozen."""
    frozen = threading.Event()

    def break_when_frozen(connection: object, server: HttpReceiver) -> bool:
        frozen.wait()
        return reset(connection, server)

    host = hosts("awslambdaric")
    with runtime_api() as api, HttpReceiver([break_when_frozen, answer(200)]) as receiver:
        process = host.start(*RUNTIME, AWS_LAMBDA_RUNTIME_API=api.address, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=receiver.url)
        # The runtime waits for half of the time that is left at most.
        api.send({"number": 0}, seconds=2)
        api.freeze(process.pid, polls=2)
        frozen.set()
        api.send({"number": 1})
        api.thaw(process.pid)
        receiver.wait_for(lambda: set(work(1)) <= set(names_after_the_first(receiver)))
        assert host.end(process, signal.SIGTERM) == -signal.SIGTERM
        assert names_after_the_first(receiver) == host.ended(), host.said()


def names_after_the_first(receiver: HttpReceiver) -> Counter[str]:
    with HttpReceiver() as rest:
        rest.requests = receiver.requests[1:]
        return Counter(rest.span_names())
