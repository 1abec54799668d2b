"""The command ``nanospan doctor`` and its options."""

from __future__ import annotations

import json

import click

__all__ = ["doctor"]


@click.command()
@click.argument("application", required=False, metavar="[MODULE[:CALLABLE]]")
@click.option(
    "--timeout",
    type=click.FloatRange(0, 3600, min_open=True),
    default=5.0,
    show_default=True,
    help="Seconds to wait for each endpoint.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(application: str | None, timeout: float, as_json: bool) -> None:
    """Say what is wrong with tracing here, and what to do about it.

    MODULE is imported from the current folder, and should set the tracer provider up, itself or when CALLABLE is called.
    Without it the provider is made from the environment, as zero code does. The first three lines are the verdict.

    Exit status: 0 if there is nothing to do, 1 if there is, 2 for wrong arguments or a MODULE that cannot be loaded.
    """
    from rich.console import Console

    from nanospan._doctor.diagnose import diagnose
    from nanospan.cli.doctor.render import show
    from nanospan.cli.doctor.subject import SubjectError, find_subject

    module, _, attribute = (application or "").partition(":")
    try:
        subject = find_subject(module or None, attribute or None)
    except SubjectError as error:
        raise click.UsageError(str(error)) from error
    report = diagnose(subject.provider, timeout=timeout, zero_code=subject.from_environment)
    if as_json:
        click.echo(json.dumps({**report.as_dict(), "origin": subject.origin}, indent=2, default=str))
    else:
        show(Console(highlight=False), report, subject.origin)
    raise click.exceptions.Exit(0 if report.ok else 1)
