"""Real servers: what a request has ended is delivered, by whichever process served it, when the server is told to stop."""

from __future__ import annotations

import http.client
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.accounting import WAIT, check_balance, wait_until
from support.extra_packages import Environment
from support.launcher import NO_FORK_WARNINGS, SCRIPTS, SERVERS, Launcher, Running, check_orderly, each_tracing, names
from support.uwsgi import all_idle

REQUESTS = 60


def get(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == 200
        return response.read().decode()
    finally:
        connection.close()


def can_connect(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), WAIT).close()
    except OSError:
        time.sleep(0.02)
        return False
    return True


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket for a server to inherit, so that no port has to be guessed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def use(listener: socket.socket, workers: int = 1) -> tuple[int, set[str]]:
    """Send requests until so many processes have answered; the number of requests, and the pids.

    A signal that meets a worker which is still starting ends it without a word.
    """
    port = listener.getsockname()[1]
    wait_until(lambda: can_connect(port), "the server answers")
    requests, pids = 0, set()
    deadline = time.monotonic() + WAIT
    while requests < REQUESTS or (len(pids) < workers and time.monotonic() < deadline):
        pids.add(get(port, f"/-{requests}"))
        requests += 1
    assert len(pids) >= workers
    return requests, pids


def requests_and_queries(count: int) -> Counter[str]:
    return names("request/", count) + names("query/", count)


@each_tracing
def test_prefork_server(launcher: Launcher) -> None:
    running = launcher.start("servers/prefork_server.py")
    port = running.line()["port"]
    workers = {get(port, f"/-{number}") for number in range(REQUESTS)}
    running.signal(signal.SIGTERM)
    finished = running.finish()
    check_orderly(finished, processes=4)
    assert finished.reported("child_code") == [0, 0, 0]
    # One of them did all the work, or all of them some: that is the kernel's affair.
    assert str(running.pid) not in workers
    assert launcher.received() == requests_and_queries(REQUESTS) + names("master", 1)


@each_tracing
def test_gunicorn_with_a_preloaded_application(launcher: Launcher, listener: socket.socket) -> None:
    pytest.importorskip("gunicorn", reason="gunicorn is not installed")
    running = launcher.start_command(
        [
            *("-m", "gunicorn", "--preload", "--workers=2", "--log-level=warning", "--no-control-socket"),
            *(f"--bind=fd://{listener.fileno()}", f"--chdir={SERVERS}", "wsgi_app:application"),
        ],
        pass_fds=[listener.fileno()],
    )
    requests, workers = use(listener, workers=2)
    running.signal(signal.SIGTERM)
    check_orderly(running.finish(), processes=3)
    assert str(running.pid) not in workers
    assert launcher.received() == requests_and_queries(requests) + names("master", 1)


# --- gunicorn with gevent's workers ------------------------------------------------------------------------------------


@each_tracing
def test_gunicorn_with_gevent_workers(
    launcher: Launcher, listener: socket.socket, with_packages: Callable[..., Environment]
) -> None:
    environment = with_packages("gevent", "gunicorn")
    running = launcher.start_command(
        [
            *("-m", "gunicorn", "--worker-class=gevent", "--workers=2", "--log-level=warning", "--no-control-socket"),
            *(f"--bind=fd://{listener.fileno()}", f"--chdir={SERVERS}", "wsgi_app:application"),
        ],
        program=(environment.python, *NO_FORK_WARNINGS),
        pass_fds=[listener.fileno()],
    )
    requests, workers = use(listener, workers=2)
    running.signal(signal.SIGTERM)
    check_orderly(running.finish(), processes=2)
    assert str(running.pid) not in workers
    received = launcher.received()
    assert received.pop("master-0") == 2  # each worker has loaded the application
    assert received == requests_and_queries(requests)


# --- uWSGI -------------------------------------------------------------------------------------------------------------


def start_uwsgi(
    launcher: Launcher, listener: socket.socket, environment: Environment, stats: Path, *options: str
) -> Running:
    return launcher.start_command(
        [
            *("--master", "--processes=2", "--die-on-term", "--need-app", "--disable-logging", f"--stats={stats}"),
            *(f"--http-socket=fd://{listener.fileno()}", f"--home={environment.bin.parent}", f"--pythonpath={SERVERS}"),
            f"--pythonpath={SCRIPTS}",
            *("--module=wsgi_app", *options),
        ],
        program=(str(environment.bin / "uwsgi"),),
        pass_fds=[listener.fileno()],
    )


@each_tracing
@pytest.mark.parametrize("options", [["--threads=2"], []], ids=["threads", "one_thread"])
def test_uwsgi(
    launcher: Launcher,
    listener: socket.socket,
    with_packages: Callable[..., Environment],
    tmp_path: Path,
    options: list[str],
) -> None:
    """uWSGI forks by the C library's function, past Python's hooks."""
    stats = tmp_path / "stats"
    running = start_uwsgi(launcher, listener, with_packages("uwsgi"), stats, *options)
    requests, workers = use(listener, workers=2)
    wait_until(lambda: all_idle(stats), "the workers of uWSGI are idle")
    running.signal(signal.SIGTERM)
    finished = running.finish()
    assert finished.code == 0, finished.stderr
    assert "Traceback" not in finished.stderr
    assert str(running.pid) not in workers
    for account in finished.accounts_at_exit:
        check_balance(account)
    # The master runs no exit handlers: what it ended itself, before it forked, is at most lost. Nor does a worker that uWSGI
    # ends the hard way, as it does now and then on a busy machine: of such a one there is no account.
    sent = launcher.received() - names("master", 1)
    if {account["pid"] for account in finished.reports if "at_exit" in account} >= set(map(int, workers)):
        assert sent == requests_and_queries(requests), finished.stderr + finished.stdout
    assert sent <= requests_and_queries(requests)


# --- Celery ------------------------------------------------------------------------------------------------------------

TASKS = 20


def run_celery(launcher: Launcher, environment: Environment, queue: Path, flush: str) -> tuple[Running, list[int]]:
    """A worker that has done all tasks, and the pids of the processes that did them."""
    variables = {"QUEUE": str(queue), "FLUSH": flush}
    program = (environment.python, *NO_FORK_WARNINGS)
    worker = launcher.start_command(
        [
            *("-m", "celery", "--app=celery_app", "--quiet", "worker", "--pool=prefork", "--concurrency=2"),
            *("--loglevel=CRITICAL", "--without-gossip", "--without-mingle", "--without-heartbeat"),
        ],
        variables,
        program,
    )
    client = launcher.start_command([str(SERVERS / "celery_app.py"), str(TASKS)], variables, program).finish()
    assert client.code == 0, client.stderr
    return worker, client.reported("workers")[0]


@each_tracing
def test_celery_prefork(launcher: Launcher, with_packages: Callable[..., Environment], tmp_path: Path) -> None:
    worker, pids = run_celery(launcher, with_packages("celery"), tmp_path, flush="1")
    worker.signal(signal.SIGTERM)
    finished = worker.finish()
    assert worker.pid not in pids
    assert finished.stdout.count("at_end") == 2, finished.stdout + finished.stderr
    assert launcher.received() == names("task", TASKS) + names("query", TASKS)


def test_celery_prefork_without_a_flush_loses_at_most_what_was_queued(
    launcher: Launcher, with_packages: Callable[..., Environment], tmp_path: Path
) -> None:
    worker, _ = run_celery(launcher, with_packages("celery"), tmp_path, flush="0")
    worker.signal(signal.SIGTERM)
    worker.finish()
    assert launcher.received() <= names("task", TASKS) + names("query", TASKS)


# --- uvicorn -----------------------------------------------------------------------------------------------------------


def start_uvicorn(
    launcher: Launcher, listener: socket.socket, ending: str, program: tuple[str, ...], *options: str
) -> Running:
    return launcher.start_command(
        [
            *("-m", "uvicorn", "asgi_app:application", "--app-dir", str(SERVERS), "--log-level", "critical"),
            *("--fd", str(listener.fileno()), *options),
        ],
        {"ENDING": ending},
        program,
        pass_fds=[listener.fileno()],
    )


def requests_and_two_queries(count: int) -> Counter[str]:
    return names("request/", count) + sum((names(f"query/-{request}", 2) for request in range(count)), Counter())


@each_tracing
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("ending", ["lifespan", "handler"])
def test_uvicorn(
    launcher: Launcher, listener: socket.socket, with_packages: Callable[..., Environment], loop: str, ending: str
) -> None:
    environment = with_packages("uvicorn", "uvloop")
    program = (environment.python, *NO_FORK_WARNINGS)
    running = start_uvicorn(launcher, listener, ending, program, "--loop", loop)
    requests, _ = use(listener)
    running.signal(signal.SIGTERM)
    finished = running.finish()
    assert finished.stderr == ""
    # With the signal it was sent, which uvicorn gives itself again at the end; or by the handler of the application.
    assert finished.code == {"lifespan": -signal.SIGTERM, "handler": 0}[ending]
    assert launcher.received() == requests_and_two_queries(requests)


def test_uvicorn_without_a_word_to_the_provider_loses_at_most_what_was_queued(
    launcher: Launcher, listener: socket.socket, with_packages: Callable[..., Environment]
) -> None:
    environment = with_packages("uvicorn", "uvloop")
    running = start_uvicorn(launcher, listener, "nobody", (environment.python, *NO_FORK_WARNINGS))
    requests, _ = use(listener)
    running.signal(signal.SIGTERM)
    finished = running.finish()
    assert (finished.code, finished.stderr) == (-signal.SIGTERM, "")
    assert launcher.received() <= requests_and_two_queries(requests)
