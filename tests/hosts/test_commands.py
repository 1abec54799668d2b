"""Programs that others start and end: commands of Django and Airflow, kernels of Jupyter, workers of pytest-xdist."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hosts.running import PROGRAMS, Hosts, work
from support.accounting import WAIT

pytestmark = pytest.mark.timeout(600)  # the first time it fetches packages

TERM, INT = signal.SIGTERM, signal.SIGINT


@dataclass(frozen=True)
class Case:
    requirements: tuple[str, ...]
    command: tuple[str, ...]
    names: tuple[str, ...]
    """Of all the spans that it ends."""
    code: int = 0
    end: signal.Signals | None = None
    """Sent once all spans have ended; without one the command ends itself."""
    variables: dict[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    """A command to run first, without tracing."""


def django(ending: str, code: int, end: signal.Signals | None = None) -> Case:
    variables = {"DJANGO_SETTINGS_MODULE": "django_site.settings"}
    return Case(("django",), ("django-admin", "work", ending), tuple(work(0, 1)), code, end, variables)


def airflow(*command: str, tasks: tuple[int, ...]) -> Case:
    variables = {"AIRFLOW__CORE__DAGS_FOLDER": str(PROGRAMS / "dags"), "AIRFLOW__CORE__LOAD_EXAMPLES": "false"}
    before = ("airflow", "db", "migrate")  # of SQLite, in the folder of the test
    return Case(("apache-airflow",), ("airflow", *command), tuple(work(*tasks)), variables=variables, before=before)


CASES = {
    "django returns": django("return", 0),
    "django fails": django("fail", 1),
    "django TERM": django("wait", -TERM, TERM),
    "django INT": django("wait", -INT, INT),
    "airflow dags test": airflow("dags", "test", "hosts", tasks=(1, 2)),
    "jupyter": Case(("ipykernel", "jupyter_client"), ("python", str(PROGRAMS / "notebook.py")), tuple(work(0, 1, 2, 3))),
    "pytest-xdist": Case(
        (),
        ("python", "-m", "pytest", "-p", "no:cacheprovider", "--numprocesses=2", str(PROGRAMS / "spans_of_tests.py")),
        (*work(*range(12)), "end-gw0", "end-gw1"),
        code=1,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_end_of_a_command_loses_nothing(hosts: Callable[..., Hosts], case: str) -> None:
    one = CASES[case]
    host = hosts(*one.requirements)
    if one.before:
        host.run_untraced(*one.before, **one.variables)
    process = host.start(*one.command, **one.variables)
    if one.end is not None:
        host.wait_for(process, *one.names)
        process.send_signal(one.end)
    code = process.wait(4 * WAIT)
    said = host.said()
    assert code == one.code, said
    assert sorted(host.ended()) == sorted(one.names), said
    host.check_nothing_lost()
