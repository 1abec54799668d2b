"""The servers, how they are started, and the ends that each start goes through."""

from __future__ import annotations

import os
from dataclasses import dataclass

PACKAGES = (
    *("daphne", "django", "flask", "gevent", "granian", "gunicorn", "hypercorn", "tornado", "trio"),
    *("uvicorn", "uvicorn-worker", "uvloop", "uwsgi", "waitress", "watchfiles"),
)


@dataclass(frozen=True)
class Configuration:
    """A way to start a server.

    ``lives`` are the ends that each start goes through, in order:

    ``TERM``, ``INT`` and other signals
        The main process gets it and ends.
    ``TERM to all``
        The processes get it as from a terminal.
    ``TERM under load``
        The main process gets it while requests are under way, which it lets finish.
    ``QUIT and KILL``
        The spans arrive after the signal, while the server does not end.
    ``reload by HUP``
        The main process gets it and replaces the others.
    ``touch``
        The file of the application changes.
    ``limit``
        So many requests are sent that the processes end.
    """

    name: str
    command: str
    """``{host}``, ``{port}``, ``{folder}`` (of the applications), ``{server}`` (a folder to make) and ``{home}``
    (of the virtual environment) are replaced."""
    lives: tuple[tuple[str, ...], ...]
    file: str = "wsgi_app.py"
    """Of the application."""
    workers: int = 1
    each_loads: bool = True
    """Whether each worker loads the application itself."""
    stats: bool = False
    """Whether uWSGI says in the socket ``{folder}/stats`` what its workers do."""
    packages: tuple[str, ...] = PACKAGES
    launcher: str = "nanospan run"
    prefix: tuple[str, ...] = ()
    """Words before the launcher."""


TERM_INT = (("TERM",), ("INT",))
GRACEFUL = (*TERM_INT, ("TERM under load",))
RELOAD_TERM = (("reload by HUP", "TERM"),)

# --- gunicorn ----------------------------------------------------------------------------------------------------------

GUNICORN = "python -m gunicorn --bind={host}:{port} --workers=2 --no-control-socket"
WORKER_CLASSES = {"sync": "wsgi_app", "gthread": "wsgi_app", "gevent": "wsgi_app", "tornado": "wsgi_app", "asgi": "asgi_app"}


def gunicorn(kind: str) -> list[Configuration]:
    application = WORKER_CLASSES[kind]
    command = f"{GUNICORN} --worker-class={kind} {application}:app" + (" --threads=2" if kind == "gthread" else "")
    file, workers = f"{application}.py", 2
    quick = (("INT",), ("QUIT",), ("TERM under load",))
    everything = (("reload by HUP", "touch", "limit", "TERM"),)
    return [
        Configuration(f"gunicorn {kind}", command, quick, file, workers),
        Configuration(f"gunicorn {kind} limits", f"{command} --reload --max-requests=60", everything, file, workers),
        Configuration(f"gunicorn {kind} preload", f"{command} --preload", RELOAD_TERM, file, workers, each_loads=False),
    ]


def gunicorn_uvicorn() -> list[Configuration]:
    """With or without nanospan its worker ends neither at SIGQUIT nor when a file changes; gunicorn kills it after 30 s."""
    name, command = "gunicorn uvicorn", f"{GUNICORN} --worker-class=uvicorn_worker.UvicornWorker asgi_app:app"
    return [
        Configuration(name, command, (("INT and KILL",), ("QUIT and KILL",), ("TERM under load",)), "asgi_app.py", 2),
        Configuration(
            f"{name} limits", f"{command} --max-requests=60", (("reload by HUP", "limit", "TERM"),), "asgi_app.py", 2
        ),
        Configuration(f"{name} preload", f"{command} --preload", RELOAD_TERM, "asgi_app.py", 2, each_loads=False),
    ]


# --- ASGI --------------------------------------------------------------------------------------------------------------

UVICORN = "python -m uvicorn asgi_app:app --host {host} --port {port} --timeout-worker-healthcheck=60"
HYPERCORN = "python -m hypercorn asgi_app:app --bind {host}:{port}"
GRANIAN = "python -m granian --host {host} --port {port} --respawn-interval 0.01"
GRANIAN_LIVES = (*RELOAD_TERM, ("INT",), ("TERM under load",))

ASGI = [
    Configuration("uvicorn", UVICORN, GRACEFUL, "asgi_app.py"),
    Configuration("uvicorn limit", f"{UVICORN} --limit-max-requests=60", (("limit",),), "asgi_app.py"),
    Configuration(
        "uvicorn workers",
        f"{UVICORN} --workers=2 --limit-max-requests=60",
        (("reload by HUP", "limit", "TERM"), ("INT",), ("TERM under load",)),
        "asgi_app.py",
        workers=2,
    ),
    Configuration("uvicorn reload", f"{UVICORN} --reload", (("touch", "TERM"), ("INT",)), "asgi_app.py"),
    *(
        Configuration(
            f"hypercorn {kind}",
            f"{HYPERCORN} --worker-class={kind} --workers=0",
            GRACEFUL if kind != "trio" else TERM_INT,
            "asgi_app.py",
        )
        for kind in ("asyncio", "uvloop", "trio")
    ),
    *(
        Configuration(
            f"hypercorn {kind} workers",
            f"{HYPERCORN} --worker-class={kind} --workers=2 --max-requests=60",
            lives,
            "asgi_app.py",
            workers=2,
        )
        for kind, lives in (
            ("asyncio", (("reload by HUP", "limit", "TERM"), ("INT",), ("TERM under load",))),
            ("trio", (("INT",), ("TERM under load",))),
        )
    ),
    Configuration("hypercorn reload", f"{HYPERCORN} --reload", (("touch", "TERM"),), "asgi_app.py"),
    *(
        Configuration(
            f"granian {kind}", f"{GRANIAN} --interface={kind} --workers=2 {kind}_app:app", lives, f"{kind}_app.py", workers=2
        )
        for kind, lives in (("asgi", GRANIAN_LIVES), ("wsgi", GRANIAN_LIVES))
    ),
    Configuration(
        "granian reload", f"{GRANIAN} --interface=asgi --reload asgi_app:app", (("touch", "TERM"),), "asgi_app.py"
    ),
    Configuration("daphne", "python -m daphne -b {host} -p {port} asgi_app:app", TERM_INT, "asgi_app.py"),
]

# --- WSGI --------------------------------------------------------------------------------------------------------------

UWSGI = (
    "uwsgi --http-socket={host}:{port} --home={home} --pythonpath={folder} --module=wsgi_app --need-app --disable-logging"
    " --stats={folder}/stats"
)
UWSGI_MASTER = f"{UWSGI} --master --processes=2"


def uwsgi(options: str, *lives: tuple[str, ...]) -> Configuration:
    """Without die-on-term, SIGTERM reloads."""
    return Configuration(
        f"uwsgi{options.replace(' --', ' ')}",
        f"{UWSGI_MASTER} --max-requests=60 --min-worker-lifetime=1 --touch-reload={{folder}}/wsgi_app.py{options}",
        lives,
        workers=2,
        each_loads="lazy-apps" in options,
        stats=True,
    )


UWSGIS = [
    uwsgi("", ("reload by HUP", "touch", "limit", "reload by TERM", "INT"), ("QUIT",)),
    uwsgi(" --threads=2", ("reload by HUP", "INT")),
    uwsgi(" --lazy-apps", ("reload by HUP", "limit", "INT")),
    Configuration(
        "uwsgi die-on-term", f"{UWSGI_MASTER} --die-on-term", (("TERM",),), workers=2, each_loads=False, stats=True
    ),
    Configuration(
        "uwsgi graceful",
        f"{UWSGI_MASTER} --hook-master-start='unix_signal:15 gracefully_kill_them_all'",
        (("TERM under load",),),
        workers=2,
        each_loads=False,
        stats=True,
    ),
    Configuration("uwsgi no master", f"{UWSGI} --die-on-term", TERM_INT, stats=True),
]

MOD_WSGI = Configuration(
    "mod_wsgi",
    "mod_wsgi-express start-server --host {host} --port {port} --server-root {server} --log-to-terminal --processes 2"
    " --maximum-requests 60 --reload-on-changes wsgi_app.py",
    (("reload by HUP", "touch", "reload by USR1", "limit", "TERM"), ("INT",), ("WINCH",)),
    workers=2,
    packages=("mod_wsgi",),
    # Apache serves no requests as root.
    prefix=() if os.geteuid() else ("unshare", "--user", "--map-user=1000", "--map-group=1000"),
)

# A reloader that gets the signal alone kills the process that serves, with or without nanospan.
DEVELOPMENT = [
    Configuration("waitress", "python -m waitress --host={host} --port={port} wsgi_app:app", TERM_INT),
    Configuration("flask", "python -m flask --app=flask_app run --host={host} --port={port}", TERM_INT, "flask_app.py"),
    Configuration(
        "flask reload",
        "python -m flask --app=flask_app run --host={host} --port={port} --debug",
        (("touch", "INT to all"),),
        "flask_app.py",
    ),
    Configuration("django", "python manage.py runserver --noreload {host}:{port}", TERM_INT, "manage.py"),
    Configuration("django reload", "python manage.py runserver {host}:{port}", (("touch", "INT to all"),), "manage.py"),
]

# --- opentelemetry-instrument --------------------------------------------------------------------------------------------

INSTRUMENTED = [
    Configuration(
        f"opentelemetry-instrument {name}",
        command,
        lives,
        f"{application}.py",
        workers,
        packages=("gunicorn", "opentelemetry-instrumentation", "uvicorn", "uvicorn-worker"),
        launcher="opentelemetry-instrument",
    )
    for name, command, lives, application, workers in (
        ("uvicorn", UVICORN, TERM_INT, "asgi_app", 1),
        (
            "uvicorn workers",
            f"{UVICORN} --workers=2",
            (("reload by HUP", "TERM"),),
            "asgi_app",
            2,
        ),
        (
            "gunicorn sync",
            f"{GUNICORN} wsgi_app:app --reload --max-requests=60",
            (("reload by HUP", "touch", "limit", "TERM"), ("INT",)),
            "wsgi_app",
            2,
        ),
        (
            "gunicorn uvicorn",
            f"{GUNICORN} --worker-class=uvicorn_worker.UvicornWorker asgi_app:app --max-requests=60",
            (("reload by HUP", "limit", "TERM"), ("INT and KILL",)),
            "asgi_app",
            2,
        ),
    )
]

CONFIGURATIONS = [
    *(configuration for kind in WORKER_CLASSES for configuration in gunicorn(kind)),
    *gunicorn_uvicorn(),
    *ASGI,
    *UWSGIS,
    MOD_WSGI,
    *DEVELOPMENT,
    *INSTRUMENTED,
]
