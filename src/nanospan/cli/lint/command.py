"""The command ``nanospan lint`` and its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nanospan.contract.conventions import Conventions
    from nanospan.lint.report import Finding

__all__ = ["conventions_of", "lint"]

FORMATS = ("text", "json", "sarif", "github")
LEVELS = ("violation", "improvement", "information", "none")


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--semconv",
    is_flag=True,
    help="PATHs are captured spans: requests in OTLP's JSON, one a line, as receive --save writes them, or in protobuf.",
)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="Form of the findings."
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--output", metavar="FILE", help="Write the findings to this file.")
@click.option("--baseline", metavar="FILE", help="Leave out the findings of this file.")
@click.option("--write-baseline", metavar="FILE", help="Write all findings into this file, for --baseline, and end with 0.")
@click.option(
    "--fail-on",
    type=click.Choice(LEVELS),
    default="violation",
    show_default=True,
    help="The least grave level of findings that the exit status tells.",
)
@click.option("--conventions", "version", metavar="VERSION", default="1.45", show_default=True, help="Version to keep to.")
@click.option(
    "--namespace", metavar="NAME", multiple=True, help="Where your own attributes belong, as com.acme. Repeatable."
)
@click.option("--check", metavar="ID", multiple=True, help="Look for this finding only. Repeatable.")
@click.option("--select", metavar="RULE", multiple=True, help="Use this rule on source code only. Repeatable; or A,B.")
@click.option("--ignore", metavar="RULE", multiple=True, help="Leave this rule on source code out. Repeatable; or A,B.")
def lint(
    paths: tuple[str, ...],
    semconv: bool,
    form: str,
    as_json: bool,
    output: str | None,
    baseline: str | None,
    write_baseline: str | None,
    fail_on: str,
    version: str,
    namespace: tuple[str, ...],
    check: tuple[str, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
) -> None:
    """Find what is wrong with spans: in the source code that makes them, or with --semconv in captured ones.

    Exit status: 0 if there is nothing to report, 1 if there is a finding at least as grave as --fail-on, 2 for wrong
    arguments or a file that cannot be read.
    """
    from nanospan.lint import report

    conventions = conventions_of(version, namespace, check)
    if semconv and (select or ignore):
        raise click.UsageError("--select and --ignore are of rules on source code; --semconv has --check")
    findings = _captured(paths, conventions) if semconv else _sources(paths, conventions, select, ignore)
    try:
        if write_baseline is not None:
            report.write_baseline(write_baseline, findings)
            return
        if baseline is not None:
            findings = report.unknown(findings, report.read_baseline(baseline))
        text = report.FORMATS["json" if as_json else form](findings)
        if output is not None:
            Path(output).write_text(text + "\n", encoding="utf-8")
        elif text:
            click.echo(text)
    except report.BaselineError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror or error}") from error
    if report.fails(findings, fail_on):
        raise SystemExit(1)


def conventions_of(version: str, namespaces: tuple[str, ...], checks: tuple[str, ...]) -> Conventions:
    """The conventions of the options. Raises UsageError."""
    from nanospan.contract.conventions import Conventions

    try:
        return Conventions(version, namespaces=namespaces, checks=checks or None)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _captured(paths: tuple[str, ...], conventions: Conventions) -> list[Finding]:
    from nanospan.cli.lint.semconv import CaptureError, check_files

    try:
        return check_files(paths, conventions)
    except CaptureError as error:
        raise click.UsageError(str(error)) from error


def _sources(
    paths: tuple[str, ...], conventions: Conventions, select: tuple[str, ...], ignore: tuple[str, ...]
) -> list[Finding]:
    from nanospan.lint.sources import RULES, SourceError, lint_sources

    def named(option: str, values: tuple[str, ...]) -> set[str]:
        names = {name.strip() for value in values for name in value.split(",")}
        if wrong := sorted(names - set(RULES)):
            raise click.UsageError(f"{option} {wrong[0]}: there is no such rule; there are {', '.join(RULES)}")
        return names

    rules = (named("--select", select) if select else set(RULES)) - (named("--ignore", ignore) if ignore else set())
    try:
        return lint_sources(paths, conventions, rules)
    except SourceError as error:
        raise click.UsageError(str(error)) from error
