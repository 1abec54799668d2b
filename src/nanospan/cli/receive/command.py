"""The command ``nanospan receive``: its options, passed to `nanospan.cli.receive.run`."""

from __future__ import annotations

import socket

import click

from nanospan.cli.numbers import Count, Port

__all__ = ["receive"]

# With --read there is nothing to listen for.
_OF_LISTENING = ("http_port", "grpc_port", "no_grpc", "host", "cors_origin", "forward", "save", "check")


@click.command()
@click.option("--http-port", type=Port(), default=4318, show_default=True, help="OTLP/HTTP port; 0 for any free one.")
@click.option("--grpc-port", type=Port(), default=4317, show_default=True, help="OTLP/gRPC port; 0 for any free one.")
@click.option("--no-grpc", is_flag=True, help="Listen for OTLP/HTTP only.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--cors-origin",
    metavar="ORIGIN",
    multiple=True,
    help="Origin whose pages may send from a browser, as https://app.example.com; * in it stands for any text. "
    "Repeatable.  [default: those of localhost]",
)
@click.option("--forward", metavar="URL", help="Pass each request on to this OTLP/HTTP receiver, as http://host:4318.")
@click.option("--save", metavar="FILE", help="Append each request to this file, one line of OTLP JSON each.")
@click.option(
    "--check", is_flag=True, help="Check the semantic conventions, and print the findings; exit with 1 on a violation."
)
@click.option("--read", metavar="FILE", help="Show what --save or the Collector's file exporter wrote, and end.")
@click.option("--service", metavar="NAME", help="Show only traces in which this service took part.")
@click.option("--once", is_flag=True, help="End after the first trace; the same as --max-traces 1.")
@click.option("--max-traces", type=Count(1), metavar="N", help="End after this many traces.")
@click.option("--max-rows", type=Count(1), default=60, show_default=True, help="Rows of one waterfall.")
@click.option("--quiet", "-q", is_flag=True, help="Count, and show no waterfalls.")
@click.pass_context
def receive(
    context: click.Context,
    http_port: int,
    grpc_port: int,
    no_grpc: bool,
    host: str,
    cors_origin: tuple[str, ...],
    forward: str | None,
    save: str | None,
    check: bool,
    read: str | None,
    service: str | None,
    once: bool,
    max_traces: int | None,
    max_rows: int,
    quiet: bool,
) -> None:
    """Receive OTLP traces and show each as a waterfall.

    Point any OpenTelemetry exporter at it; both ports are OTLP's own. Ctrl-C ends it with a summary.
    """
    from nanospan.cli.receive import run
    from nanospan.receiver.cors import LOCALHOST_ORIGINS, AllowedOrigins

    view = run.ViewOptions(service=service, max_traces=1 if once else max_traces, max_rows=max_rows, quiet=quiet)
    try:
        AllowedOrigins(cors_origin)
    except ValueError as error:
        raise click.BadParameter(str(error), context, param_hint="--cors-origin") from error
    try:
        if read is not None:
            _refuse_options_of_listening(context)
            run.read(run.ReadOptions(read, view))
            return
        kept = run.run(
            run.ReceiveOptions(
                host=host,
                http_port=http_port,
                grpc_port=None if no_grpc else grpc_port,
                cors_origins=cors_origin or LOCALHOST_ORIGINS,
                forward=forward,
                save=save,
                check=check,
                view=view,
            )
        )
        if not kept:
            raise SystemExit(1)
    except run.ListenError as error:
        raise click.ClickException(f"{error} ({_other_address(host, error)})") from error
    except run.ReceiveError as error:
        raise click.ClickException(str(error)) from error


def _other_address(host: str, error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, socket.gaierror):
        cause = cause.__cause__
    if cause is None:
        return "choose another with --http-port or --grpc-port"
    name, colon, port = host.rpartition(":")
    if colon and port.isdecimal():
        return f"write --host {name} --http-port {port}"
    return "write --host with the name or the address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them"


def _refuse_options_of_listening(context: click.Context) -> None:
    for name in _OF_LISTENING:
        source = context.get_parameter_source(name)
        if source is not None and source is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(f"--{name.replace('_', '-')} is for receiving, and cannot go with --read", context)
