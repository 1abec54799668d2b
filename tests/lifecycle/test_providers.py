"""More than one provider, processor or registration: each account is its own, and nothing hangs or is counted twice."""

from __future__ import annotations

from collections import Counter

from support.accounting import check_balance, lost, spans_in
from support.launcher import Launcher, check_orderly, each_tracing, names

SPANS = 10


@each_tracing
def test_second_global_provider(launcher: Launcher) -> None:
    finished = launcher.run("providers.py", "second_global")
    check_orderly(finished, processes=2)  # two accounts, of one process
    assert finished.reported("warnings") == [["Overriding of current TracerProvider is not allowed"]]
    assert finished.reported("is_first") == [True]
    assert finished.reported("ended") == [[1, SPANS]]
    assert launcher.received() == names("global", 1) + names("second", SPANS)


@each_tracing
def test_one_provider_after_the_other(launcher: Launcher) -> None:
    finished = launcher.run("providers.py", "one_after_the_other")
    assert (finished.stderr, finished.code) == ("", 0)
    (first,) = finished.reported("first")
    check_balance(first)
    assert (first["exported"], lost(first)) == (SPANS, {"shutdown": SPANS})
    assert launcher.received() == names("first", SPANS) + names("second", SPANS)


@each_tracing
def test_a_processor_under_two_providers(launcher: Launcher) -> None:
    check_orderly(launcher.run("providers.py", "shared_processor"), processes=1)
    assert launcher.received() == names("one", SPANS) + names("other", SPANS)


@each_tracing
def test_an_exporter_under_two_processors_is_shut_down_by_the_first(launcher: Launcher) -> None:
    finished = launcher.run("providers.py", "shared_exporter")
    assert finished.code == 0
    first, second = finished.reported("accounts")[0]
    check_balance(first)
    check_balance(second)
    assert (first["exported"], lost(second)) == (SPANS, {"export_failed": SPANS})
    assert launcher.received() == names("span", SPANS)


@each_tracing
def test_a_processor_registered_twice_gets_every_span_twice(launcher: Launcher) -> None:
    check_orderly(launcher.run("providers.py", "registered_twice"), processes=1)
    spans = spans_in(request.body for request in launcher.receiver.requests)
    assert set(Counter(span.span_id for span in spans).values()) == {2}


@each_tracing
def test_a_processor_added_with_spans_open(launcher: Launcher) -> None:
    finished = launcher.run("providers.py", "added_with_spans_open")
    assert (finished.stderr, finished.code) == ("", 0)
    for account in finished.reported("accounts")[0]:
        check_balance(account)
        assert (account["ended"], account["exported"]) == (1, 1)


@each_tracing
def test_a_processor_added_after_the_shutdown(launcher: Launcher) -> None:
    """The provider has had its exit: this one has to be shut down by whoever added it."""
    finished = launcher.run("providers.py", "added_after_shutdown")
    assert (finished.stderr, finished.code) == ("", 0)
    (second,), (first,) = finished.reported("second"), finished.reported("first")
    assert (second["exported"], lost(first)) == (SPANS, {"shutdown": SPANS})
    assert launcher.received() == names("span", SPANS)


@each_tracing
def test_module_reloaded(launcher: Launcher) -> None:
    check_orderly(launcher.run("providers.py", "reloaded"), processes=2)
    assert launcher.received() == names("before", SPANS) + names("after", SPANS) + names("later", SPANS)


@each_tracing
def test_package_imported_again(launcher: Launcher) -> None:
    check_orderly(launcher.run("providers.py", "imported_again"), processes=1)
    assert launcher.received() == names("before", SPANS) + names("after", SPANS)
