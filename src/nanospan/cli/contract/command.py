"""The command ``nanospan contract`` and its options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nanospan._common.environment import variable_text

if TYPE_CHECKING:
    from nanospan.contract.redaction import Redaction

__all__ = ["contract"]

VARIABLE = "OTEL_PYTHON_NANOSPAN_REDACT"


@click.command()
@click.option("--redact", metavar="FILE", help=f"The policy: a file, or default. Default: the variable {VARIABLE}.")
@click.option("--as-collector", is_flag=True, help="Print the configuration of the Collector's redaction processor.")
def contract(redact: str | None, as_collector: bool) -> None:
    """Print the policy of redaction, checked, as YAML.

    Without --as-collector it is printed as a file that --redact and the variable take; the key of hashes is left out.
    With it the same policy is printed for the Collector, and as comments what the Collector does not do.

    Exit status: 0, or 2 for a policy that cannot be used.
    """
    from nanospan.cli.contract.yaml_text import yaml_text
    from nanospan.contract.redaction._collector import not_in_collector

    policy = _policy(redact or variable_text(VARIABLE) or "default")
    if not as_collector:
        click.echo(yaml_text(policy.as_file()), nl=False)
        return
    for sentence in not_in_collector(policy):
        click.echo(f"# Not as in the process: {sentence}.")
    click.echo(yaml_text(policy.as_collector()), nl=False)


def _policy(text: str) -> Redaction:
    from nanospan.contract.redaction import Redaction

    if text.lower() == "default":
        return Redaction.default()
    try:
        return Redaction.from_file(text)
    except (OSError, TypeError, ValueError) as error:
        raise click.UsageError(f"{text}: {error}") from error
