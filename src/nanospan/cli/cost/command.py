"""The command ``nanospan cost``: its options, passed to `nanospan.cli.cost.model`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nanospan.cli.cost.inputs import Choices, SpanCosts, TrafficRule, Workload
from nanospan.cli.cost.model import STRATEGIES, estimate
from nanospan.cli.numbers import Count, Number

__all__ = ["cost"]

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # generic from click 8.2 on

_Function = TypeVar("_Function", bound=Callable[..., Any])

_WORKLOAD, _CHOICES, _COSTS = Workload(1, 1), Choices(), SpanCosts()
"""The source of the defaults of the options."""


class Rule(ParamType):
    """``NAME=SHARE:RATIO``."""

    name = "rule"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TrafficRule:
        if isinstance(value, TrafficRule):
            return value
        name, equals, numbers = value.rpartition("=")
        part, colon, ratio = numbers.partition(":")
        if not (name and equals and colon):
            self.fail(f"{value!r} is not NAME=SHARE:RATIO, as in /checkout=0.05:1.", param, ctx)
        try:
            return TrafficRule(name, *(SHARE.convert(number, None, None) for number in (part, ratio)))
        except click.BadParameter as error:
            self.fail(f"{value!r}: {error.message}", param, ctx)
        except ValueError as error:
            self.fail(f"{value!r}: {error}.", param, ctx)


POSITIVE = Number(min=0, min_open=True)
NOT_NEGATIVE = Number(min=0)
SHARE = Number(min=0, max=1)
FRACTION = Number(min=0, max=1, min_open=True)
COUNT = Count(1)


def option(name: str, kind: ParamType, default: object, text: str, **more: Any) -> Callable[[_Function], _Function]:
    return click.option(name, type=kind, default=default, show_default=default is not None, help=text, **more)


@click.command()
@click.option("--requests", type=POSITIVE, required=True, help="Requests a second, over all processes.")
@click.option("--spans", type=POSITIVE, required=True, help="Spans a request makes in these processes.")
@option(
    "--bytes",
    POSITIVE,
    _WORKLOAD.bytes_per_span,
    "Encoded bytes a span. The default has ten attributes; the CPU figures stay those of the default.",
    metavar="BYTES",
)
@option("--error-share", SHARE, _WORKLOAD.error_share, "Of the requests, those with an error.")
@option("--slow-share", SHARE, _WORKLOAD.slow_share, "Of the requests, those that tail sampling keeps as slow.")
@option("--trace-duration", POSITIVE, _WORKLOAD.trace_seconds, "Seconds from the start of a request to its end.")
@option("--processes", COUNT, _WORKLOAD.processes, "Processes that share the requests evenly.")
@option("--cpu-per-process", POSITIVE, _WORKLOAD.process_cores, "Cores that each process uses, tracing included.")
@option("--retention", POSITIVE, _WORKLOAD.retention_days, "Days that spans are stored.", metavar="DAYS")
@option("--price", NOT_NEGATIVE, None, "Price of storing a gigabyte for a month, in any currency.")
@option("--strategy", click.Choice(STRATEGIES), None, "Only this strategy; may be repeated.", multiple=True)
@option(
    "--ratio",
    SHARE,
    list(_CHOICES.ratios),
    "Probability, the rules' rest, and what tail sampling keeps of the traces without fault; may be repeated.",
    multiple=True,
)
@option("--rate-limit", POSITIVE, _CHOICES.traces_per_second, "RateLimited: traces a second in each process.")
@option("--target", POSITIVE, _CHOICES.target_spans_per_second, "Adaptive: spans a second in each process.")
@option("--cpu-fraction", FRACTION, _CHOICES.cpu_fraction, "OverheadBudget: of the CPU that each process uses.")
@option(
    "--rule",
    Rule(),
    None,
    "RuleBased: a rule that SHARE of the requests match, of which it keeps RATIO; may be repeated.",
    multiple=True,
    metavar="NAME=SHARE:RATIO",
)
@option("--decision-wait", POSITIVE, _CHOICES.decision_wait, "Tail sampling: seconds to the decision, at most.")
@option(
    "--open-after-root",
    NOT_NEGATIVE,
    _CHOICES.open_after_root,
    "Tail sampling: seconds that spans stay open after their root has ended.",
)
@option("--num-traces", COUNT, _CHOICES.num_traces, "Tail sampling: traces that a process may hold.")
@option("--max-bytes", COUNT, _CHOICES.max_bytes, "Tail sampling: bytes that a process may hold.")
@option("--unsampled-ns", NOT_NEGATIVE, _COSTS.unsampled_ns, "CPU of a span that is not recorded.")
@option("--recorded-ns", NOT_NEGATIVE, _COSTS.recorded_ns, "CPU of making and encoding a recorded span.")
@option("--export-ns", NOT_NEGATIVE, _COSTS.export_ns, "CPU of sending a span.")
@option("--tail-ns", NOT_NEGATIVE, _COSTS.tail_ns, "CPU of holding a span for tail sampling.")
@click.option("--json", "json_wanted", is_flag=True, help="JSON instead of a table.")
def cost(**given: Any) -> None:
    """Calculate what each way of sampling costs, from the traffic.

    Spans a second, bandwidth, CPU, memory of the tail buffer and storage, for every strategy: what to keep is a question
    of budget. Nothing is measured; the costs of a span are those of nanospan's README unless they are given.

    \b
    nanospan cost --requests 50k --spans 30 --processes 40
    nanospan cost --requests 200 --spans 12 --ratio 0.01 --ratio 0.1 --rule /health=0.3:0 --rule /pay=0.02:1
    """
    try:
        workload = Workload(
            requests_per_second=given["requests"],
            spans_per_request=given["spans"],
            bytes_per_span=given["bytes"],
            error_share=given["error_share"],
            slow_share=given["slow_share"],
            trace_seconds=given["trace_duration"],
            processes=given["processes"],
            process_cores=given["cpu_per_process"],
            retention_days=given["retention"],
            price_per_gigabyte_month=given["price"],
        )
        choices = Choices(
            ratios=given["ratio"],
            traces_per_second=given["rate_limit"],
            target_spans_per_second=given["target"],
            cpu_fraction=given["cpu_fraction"],
            rules=given["rule"],
            decision_wait=given["decision_wait"],
            open_after_root=given["open_after_root"],
            num_traces=given["num_traces"],
            max_bytes=given["max_bytes"],
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    strategies = given["strategy"] or STRATEGIES
    if "rule_based" in given["strategy"] and not choices.rules:
        raise click.UsageError("--strategy rule_based needs a --rule.")
    costs = SpanCosts(given["unsampled_ns"], given["recorded_ns"], given["export_ns"], given["tail_ns"])
    _show(workload, choices, costs, strategies, given["json_wanted"])


def _show(workload: Workload, choices: Choices, costs: SpanCosts, strategies: tuple[str, ...], json_wanted: bool) -> None:
    from rich.console import Console

    from nanospan.cli.cost.report import as_json, kept_tables, notes, price_tables

    estimates = estimate(workload, choices, costs, strategies)
    if json_wanted:
        click.echo(json.dumps(as_json(workload, choices, costs, estimates), indent=2))
        return
    console = Console(highlight=False)
    for tables in (kept_tables, price_tables):
        for table in tables(estimates, console.width):
            # Wider than the terminal only where a single column is: the terminal wraps then.
            console.print(table, crop=False)
            console.print()
    console.print(notes(workload, choices, costs, estimates))
