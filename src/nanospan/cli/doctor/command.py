"""The command ``nanospan doctor`` and its options."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from nanospan.cli.numbers import Count, Number

if TYPE_CHECKING:
    from nanospan._doctor.report import Report

__all__ = ["doctor"]


@click.command()
@click.argument("application", required=False, metavar="[MODULE[:CALLABLE]]")
@click.option("--pid", type=Count(1), help="Examine this running process instead.")
@click.option(
    "--timeout",
    type=Number(0, 3600, min_open=True),
    default=5.0,
    show_default=True,
    help="Seconds to wait for each endpoint.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(application: str | None, pid: int | None, timeout: float, as_json: bool) -> None:
    """Say what is wrong with tracing here, and what to do about it.

    MODULE is imported from the current folder, and should set the tracer provider up, itself or when CALLABLE is called.
    Without it the provider is made from the environment, as zero code does. The first three lines are the verdict.

    --pid examines a running process: from outside by what Linux shows of it, and, if it and this command run on the same
    CPython from 3.14 on, within. The process is not stopped, and gets no signal.

    Exit status: 0 if there is nothing to do, 1 if there is, 2 for wrong arguments, a MODULE that cannot be loaded or a
    process that cannot be examined.
    """
    from rich.console import Console

    from nanospan.cli.doctor.ending import end
    from nanospan.cli.doctor.render import show

    report, origin = _of_application(application, timeout) if pid is None else _of_process(application, pid, timeout)
    if as_json:
        click.echo(json.dumps({**report.as_dict(), "origin": origin}, indent=2, default=str))
    else:
        show(Console(highlight=False), report, origin)
    end(0 if report.ok else 1)


def _of_application(application: str | None, timeout: float) -> tuple[Report, str]:
    from nanospan._doctor.diagnose import diagnose
    from nanospan.cli.doctor.ending import end
    from nanospan.cli.doctor.subject import SubjectError, find_subject

    module, _, attribute = (application or "").partition(":")
    try:
        subject = find_subject(module or None, attribute or None)
    except SubjectError as error:
        click.echo(f"Error: {error}", err=True)
        end(2)
    return diagnose(subject.provider, timeout=timeout, zero_code=subject.from_environment), subject.origin


def _of_process(application: str | None, pid: int, timeout: float) -> tuple[Report, str]:
    from nanospan._doctor.process.examine import ProcessError, diagnose_process

    if application is not None:
        raise click.UsageError("--pid is for a process that runs, and cannot go with a MODULE")
    try:
        report = diagnose_process(pid, timeout=timeout)
    except ProcessError as error:
        raise click.BadParameter(str(error), param_hint="--pid") from error
    return report, f"of process {pid}, {report.process['seen']}"
