"""The commands and their options; the implementation is in the package of the same name."""

from __future__ import annotations

import click

from nanospan._common.version import own_version
from nanospan.cli.audit.command import audit
from nanospan.cli.contract.command import contract
from nanospan.cli.cost.command import cost
from nanospan.cli.doctor.command import doctor
from nanospan.cli.lint.command import lint
from nanospan.cli.numbers import Count, Number
from nanospan.cli.receive.command import receive
from nanospan.cli.run.command import HELP
from nanospan.cli.run.command import run as run_command

__all__ = ["nanospan"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(own_version(), message="%(prog)s %(version)s")
def nanospan() -> None:
    """The tracing runtime that makes OpenTelemetry in Python cost nanoseconds."""


nanospan.add_command(audit)
nanospan.add_command(contract)
nanospan.add_command(cost)
nanospan.add_command(doctor)
nanospan.add_command(lint)
nanospan.add_command(receive)


@nanospan.command(add_help_option=False, help=HELP, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(arguments: tuple[str, ...]) -> None:
    run_command(arguments)


@nanospan.command()
@click.option("--requests", type=Count(1), default=1500, show_default=True, help="Requests to serve.")
@click.option(
    "--seconds",
    type=Number(0.1),
    default=8.0,
    show_default=True,
    help="Load for at most this long.",
)
@click.option("--no-stock", is_flag=True, help="Do not measure the stock pipeline.")
@click.option(
    "--rounds",
    type=Count(0),
    default=5,
    show_default=True,
    help="Rounds of the cost measurement; 0 for none.",
)
@click.option("--cost-spans", type=Count(1), default=2000, show_default=True, help="Spans of one cost run.")
@click.option("--queue", is_flag=True, help="Show a producer, a queue and a consumer in place of the service.")
@click.option("--orders", type=Count(1), default=40, show_default=True, help="With --queue: orders that are sent.")
@click.option(
    "--broker",
    type=click.Choice(["redis", "embedded"]),
    help="With --queue: what the queue is. Redis, if redis-server and the Python package redis are found; else a pipe.",
)
def demo(
    requests: int,
    seconds: float,
    no_stock: bool,
    rounds: int,
    cost_spans: int,
    queue: bool,
    orders: int,
    broker: str | None,
) -> None:
    """Trace a small web service under load, and show what arrived and what it cost.

    Everything runs on this machine and ends with the command; it takes about half a minute.
    """
    if queue:
        from nanospan.cli.demo.queue_run import QueueDemoError, QueueOptions, run_queue

        try:
            run_queue(QueueOptions(orders=orders, broker=broker))
        except QueueDemoError as error:
            raise click.ClickException(str(error)) from error
        return
    from nanospan.cli.demo.run import DemoError, DemoOptions, run

    try:
        run(DemoOptions(requests=requests, seconds=seconds, stock=not no_stock, rounds=rounds, cost_spans=cost_spans))
    except DemoError as error:
        raise click.ClickException(str(error)) from error
