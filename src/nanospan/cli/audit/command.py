"""The command ``nanospan audit`` and its options."""

from __future__ import annotations

import json
import os
from urllib.parse import urlsplit

import click

from nanospan.cli.numbers import Number, Port

__all__ = ["audit"]

PROTOCOLS = ("http/protobuf", "grpc")


class _Failure(click.ClickException):
    exit_code = 2


@click.command()
@click.argument("application", metavar="[MODULE:APP]", required=False)
@click.option("--asgi", "kind", flag_value="asgi", help="The application is ASGI.  [default: detected]")
@click.option("--wsgi", "kind", flag_value="wsgi", help="The application is WSGI.  [default: detected]")
@click.option("--url", help="Send to an application that runs elsewhere, as http://localhost:8000.")
@click.option(
    "--redact",
    metavar="default|FILE|none",
    help="The policy of redaction for MODULE:APP. Default: the variable OTEL_PYTHON_NANOSPAN_REDACT.",
)
@click.option("--path", "paths", metavar="PATH", multiple=True, help="Path to ask. Repeatable.  [default: /]")
@click.option("--protocol", type=click.Choice(PROTOCOLS), help="Of MODULE:APP's export.  [default: the environment's]")
@click.option("--http-port", type=Port(), default=4318, show_default=True, help="With --url: OTLP/HTTP port to listen on.")
@click.option("--grpc-port", type=Port(), default=4317, show_default=True, help="With --url: OTLP/gRPC port to listen on.")
@click.option(
    "--wait", type=Number(0.1), default=15.0, show_default=True, help="With --url: seconds to wait for the first export."
)
@click.option("--strict", is_flag=True, help="Count canaries in the application's standard error too.")
@click.option("--json", "json_output", is_flag=True, help="Print a JSON object.")
@click.pass_context
def audit(
    context: click.Context,
    application: str | None,
    kind: str | None,
    url: str | None,
    redact: str | None,
    paths: tuple[str, ...],
    protocol: str | None,
    http_port: int,
    grpc_port: int,
    wait: float,
    strict: bool,
    json_output: bool,
) -> None:
    """Send secrets through an application, and search its telemetry for them.

    MODULE:APP runs as under nanospan run, with all headers captured. The secrets are canaries, texts of this run only, in
    headers, query, path, body, resource. What the application exports is received here and searched as it came,
    decompressed, percent-, hex- and base64-decoded.

    Exit status: 0 if no canary has left and what is innocent has arrived, else 1; 2 if the audit could not be done.
    """
    from rich.console import Console

    from nanospan.cli.audit.report import as_json, findings_table, sentences
    from nanospan.cli.audit.run import AuditError, AuditOptions, run

    if (application is None) == (url is None):
        raise click.UsageError("name either an application, as shop.main:app, or --url", context)
    if url is not None:
        _check_url(url)
        if redact is not None or kind is not None or protocol is not None:
            raise click.UsageError("--redact, --asgi, --wsgi and --protocol are for MODULE:APP, not for --url", context)
    for path in paths:
        if not path.startswith("/") or not path.isascii() or any(sign in path for sign in " ?#\r\n"):
            raise click.BadParameter(
                f"{path!r} must begin with / and be escaped, without query", context, param_hint="--path"
            )
    options = AuditOptions(
        application=application,
        kind=kind or "detect",
        url=url,
        redact=_checked_policy(redact),
        protocol=protocol or _protocol(),
        paths=paths or ("/",),
        http_port=http_port,
        grpc_port=grpc_port,
        wait=wait,
    )
    try:
        result = run(options)
        if result.spans == 0:
            raise AuditError(_nothing_arrived(options.url, http_port))
    except AuditError as error:
        raise _Failure(str(error)) from error
    if json_output:
        click.echo(json.dumps(as_json(result), indent=2))
    else:
        console = Console(highlight=False)
        if result.findings:
            console.print(findings_table(result))
        for sentence in sentences(result):
            console.print(sentence, markup=False)
    if result.left or not result.keep_arrived or (strict and result.findings):
        raise SystemExit(1)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.username:
        raise click.BadParameter("must be as http://localhost:8000, without user and query", param_hint="--url")


def _checked_policy(redact: str | None) -> str | None:
    """``redact``, its special values in lower case, a path absolute."""
    if redact is None or redact.lower() in ("default", "none"):
        return redact and redact.lower()
    from nanospan.contract.redaction import Redaction

    try:
        Redaction.from_file(redact)
    except (OSError, TypeError, ValueError) as error:
        raise click.BadParameter(f"{redact}: {error}", param_hint="--redact") from error
    return os.path.abspath(redact)


def _protocol() -> str:
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if (value := os.environ.get(name, "").strip()) in PROTOCOLS:
            return value
    return PROTOCOLS[0]


def _nothing_arrived(url: str | None, http_port: int) -> str:
    if url is not None:
        return (
            f"no span arrived: start the application with OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{http_port}, and "
            "see that it is sampled; --wait takes more seconds"
        )
    return "no span arrived: install the instrumentation of its framework, such as opentelemetry-instrumentation-flask"
