"""Which instrumentations of opentelemetry-python-contrib give the new names, and by which switch."""

from __future__ import annotations

__all__ = ["READ_RELEASE", "RESOURCE", "remedy", "switches_of"]

RESOURCE = "(resource)"
"""The scope under which findings about resources are counted."""
READ_RELEASE = "0.66b2"
"""The release of the instrumentations whose sources this table was read from."""

_PREFIX = "opentelemetry.instrumentation."
_HTTP = (
    "aiohttp_client aiohttp_server asgi django falcon fastapi flask httpx pyramid requests starlette tornado urllib urllib3"
    " wsgi"
)
_DATABASE = "asyncpg cassandra pymemcache pymongo tortoiseorm"
_DATABASE_AND_HTTP = "aiopg dbapi mysql mysqlclient psycopg psycopg2 pymssql pymysql redis sqlalchemy sqlite3"
_SWITCHES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_HTTP.split(), ("http",)),
    **dict.fromkeys(_DATABASE.split(), ("database",)),
    **dict.fromkeys(_DATABASE_AND_HTTP.split(), ("database", "http")),
}

_DOMAINS = {"db": "database", "http": "http", "net": "http"}
"""By first part of a deprecated key the switch that gives the new one, where the instrumentation reads it."""


def switches_of(scope: str) -> tuple[str, ...] | None:
    """The values of ``OTEL_SEMCONV_STABILITY_OPT_IN`` that the instrumentation with this scope reads.

    Empty if it reads none; None if the scope is not one of an instrumentation of opentelemetry-python-contrib.
    """
    if not scope.startswith(_PREFIX):
        return None
    return _SWITCHES.get(scope.removeprefix(_PREFIX).rstrip("/").partition(".")[0], ())


def remedy(scope: str, key: str, *, has_new_name: bool, renames: bool) -> str:
    """What mends the use of the deprecated ``key`` in spans of this scope, as one sentence.

    ``renames`` tells whether the modes ``rename`` and ``dup`` give the new name.
    """
    switches = switches_of(scope)
    by_mode = "use the mode 'rename' or 'dup'" if renames else "no mode of the contract can give the new name"
    if scope.partition(".")[0] == "nanospan":
        return f"This release of nanospan gives the names of an older version: {by_mode}."
    if switches is None:
        place = f"where {'the resource' if scope == RESOURCE else scope or 'the application'} sets this one"
        if not has_new_name:
            return f"Leave it out {place}."
        return f"Set the new name {place}, or {by_mode}." if renames else f"Set the new name {place}."
    switch = _DOMAINS.get(key.partition(".")[0])
    if switch is not None and switch in switches:
        return (
            f"Start the process with OTEL_SEMCONV_STABILITY_OPT_IN={switch} ({switch}/dup for both names); "
            f"release {READ_RELEASE} of this instrumentation reads it."
        )
    return f"Release {READ_RELEASE} of this instrumentation has no switch for it: {by_mode}."
