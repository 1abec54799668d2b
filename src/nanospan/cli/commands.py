"""The commands and their options; the implementation is in the package of the same name."""

from __future__ import annotations

import click

from nanospan._common.version import own_version
from nanospan.cli.cost.command import cost

__all__ = ["nanospan"]

PORT = click.IntRange(0, 65535)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(own_version(), message="%(prog)s %(version)s")
def nanospan() -> None:
    """The tracing runtime that makes OpenTelemetry in Python cost nanoseconds."""


nanospan.add_command(cost)


@nanospan.command()
@click.option("--http-port", type=PORT, default=4318, show_default=True, help="OTLP/HTTP port; 0 for any free one.")
@click.option("--grpc-port", type=PORT, default=4317, show_default=True, help="OTLP/gRPC port; 0 for any free one.")
@click.option("--no-grpc", is_flag=True, help="Listen for OTLP/HTTP only.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--service", metavar="NAME", help="Show only traces in which this service took part.")
@click.option("--once", is_flag=True, help="End after the first trace; the same as --max-traces 1.")
@click.option("--max-traces", type=click.IntRange(1), metavar="N", help="End after this many traces.")
@click.option("--max-rows", type=click.IntRange(1), default=60, show_default=True, help="Rows of one waterfall.")
@click.option("--quiet", "-q", is_flag=True, help="Count, and show no waterfalls.")
def receive(
    http_port: int,
    grpc_port: int,
    no_grpc: bool,
    host: str,
    service: str | None,
    once: bool,
    max_traces: int | None,
    max_rows: int,
    quiet: bool,
) -> None:
    """Receive OTLP traces and show each as a waterfall.

    Point any OpenTelemetry exporter at it; both ports are OTLP's own. Ctrl-C ends it with a summary.
    """
    from nanospan.cli.receive.run import ListenError, ReceiveOptions, run

    try:
        run(
            ReceiveOptions(
                host=host,
                http_port=http_port,
                grpc_port=None if no_grpc else grpc_port,
                service=service,
                max_traces=1 if once else max_traces,
                max_rows=max_rows,
                quiet=quiet,
            )
        )
    except ListenError as error:
        raise click.ClickException(f"{error} (choose another with --http-port or --grpc-port)") from error


@nanospan.command()
@click.option("--requests", type=click.IntRange(1), default=1500, show_default=True, help="Requests to serve.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1),
    default=8.0,
    show_default=True,
    help="Load for at most this long.",
)
@click.option("--no-stock", is_flag=True, help="Do not measure the stock pipeline.")
@click.option(
    "--rounds",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    help="Rounds of the cost measurement; 0 for none.",
)
@click.option("--cost-spans", type=click.IntRange(1), default=2000, show_default=True, help="Spans of one cost run.")
def demo(requests: int, seconds: float, no_stock: bool, rounds: int, cost_spans: int) -> None:
    """Trace a small web service under load, and show what arrived and what it cost.

    Everything runs on this machine and ends with the command; it takes about half a minute.
    """
    from nanospan.cli.demo.run import DemoError, DemoOptions, run

    try:
        run(DemoOptions(requests=requests, seconds=seconds, stock=not no_stock, rounds=rounds, cost_spans=cost_spans))
    except DemoError as error:
        raise click.ClickException(str(error)) from error
