"""What sampling costs by calculation: the formulas by cases worked out by hand, and the command ``nanospan cost``."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("click", reason="click is not installed")
pytest.importorskip("rich", reason="rich is not installed")

from click.testing import CliRunner, Result
from pytest import approx

from nanospan._native.tail import min_bytes
from nanospan.cli.commands import nanospan as command
from nanospan.cli.cost.inputs import Choices, SpanCosts, TrafficRule, Workload
from nanospan.cli.cost.model import STRATEGIES, Estimate, estimate
from nanospan.cli.cost.report import cores, decimal_size, share
from nanospan.tail import AlwaysSample, TailSampling

BUSY = Workload(50_000, 30, bytes_per_span=500, processes=40)
"""1.5 million spans/s."""


def the_one(strategy: str, workload: Workload = BUSY, **choices: Any) -> Estimate:
    (one,) = estimate(workload, Choices(**choices), strategies=[strategy])
    return one


class TestFormulas:
    def test_always_on(self):
        one = the_one("always_on")
        assert one.created_per_second == one.recorded_per_second == one.exported_per_second == 1_500_000
        assert one.bytes_per_second == 750e6
        assert (one.kept_share, one.faults_kept_share, one.flagged_share) == (1, 1, 1)
        # 750 MB/s for 30 days of 86,400 s.
        assert one.stored_bytes == approx(1.944e15)
        # 1.5 million spans of 946 + 74 ns.
        assert one.cpu_cores == approx(1.53)
        assert one.cpu_cores_per_process == approx(1.53 / 40)
        assert (one.tail, one.price_per_month, one.warnings) == (None, None, ())

    def test_probability(self):
        one = the_one("probability", ratios=[0.01])
        assert one.created_per_second == 1_500_000
        assert one.recorded_per_second == one.exported_per_second == 15_000
        assert one.bytes_per_second == approx(7.5e6)
        assert one.faults_kept_share == one.flagged_share == 0.01
        # 1,485,000 spans of 217 ns and 15,000 of 1,020 ns.
        assert one.cpu_cores == approx(0.322245 + 0.0153)

    def test_a_rate_limit_is_each_processs_own(self):
        one = the_one("rate_limited", traces_per_second=100)
        assert one.kept_share == approx(40 * 100 / 50_000)
        assert one.exported_per_second == approx(40 * 100 * 30)

    def test_a_limit_above_the_traffic_keeps_all_of_it(self):
        assert the_one("rate_limited", traces_per_second=2000).kept_share == 1
        assert the_one("adaptive", target_spans_per_second=50_000).kept_share == 1
        assert the_one("overhead_budget", cpu_fraction=0.9).kept_share == 1

    def test_rules(self):
        rules = [TrafficRule("/health", 0.3, 0), TrafficRule("/checkout", 0.05, 1)]
        one = the_one("rule_based", rules=rules, ratios=[0.02])
        # 0.3 * 0 + 0.05 * 1 + 0.65 * 0.02
        assert one.kept_share == approx(0.063)
        assert one.exported_per_second == approx(94_500)
        assert one.setting == "/health 0, /checkout 1, rest 0.02"

    def test_rules_for_all_of_the_traffic_leave_no_rest(self):
        rules = [TrafficRule(f"rule {index}", 0.1, 0.5) for index in range(10)]
        assert the_one("rule_based", rules=rules, ratios=[1]).kept_share == approx(0.5)

    def test_without_rules_there_is_no_rule_based(self):
        assert estimate(BUSY, strategies=["rule_based"]) == []

    def test_adaptive(self):
        one = the_one("adaptive", target_spans_per_second=1000)
        assert one.exported_per_second == approx(40_000)
        assert one.kept_share == approx(0.4 / 15)

    def test_an_overhead_budget_is_spent_to_the_last_nanosecond(self):
        one = the_one("overhead_budget", cpu_fraction=0.02)
        # 0.8 s of CPU a second over 1.5 million spans is 533.3 ns each, of which 217 are spent on any span.
        assert one.kept_share == approx((533.3333 - 217) / (1020 - 217), rel=1e-6)
        assert one.cpu_cores == approx(40 * 0.02)
        assert one.warnings == ()

    def test_an_overhead_budget_is_of_what_the_process_uses(self):
        half = the_one("overhead_budget", Workload(10_000, 10, process_cores=0.5), cpu_fraction=0.1)
        assert half.cpu_cores == approx(0.05)
        # At least a twentieth of a core counts as used: 0.005 cores for 10,000 spans are 500 ns each.
        idle = the_one("overhead_budget", Workload(1000, 10, process_cores=0.001), cpu_fraction=0.1)
        assert idle.kept_share == approx((500 - 217) / (1020 - 217))

    def test_an_overhead_budget_that_cannot_be_kept(self):
        one = the_one("overhead_budget", Workload(50_000, 30), cpu_fraction=0.02)
        assert one.kept_share == 1e-6
        (warning,) = one.warnings
        assert "a budget of 0.02 cores in each process cannot pay" in warning
        assert warning.endswith("which take 0.326")

    @pytest.mark.parametrize(("fraction", "kept"), [(0.5, 1), (0.1, 1e-6)])
    def test_an_overhead_budget_where_all_spans_cost_the_same(self, fraction, kept):
        costs = SpanCosts(unsampled_ns=200, recorded_ns=200, export_ns=0)
        (one,) = estimate(Workload(100_000, 10), Choices(cpu_fraction=fraction), costs, ["overhead_budget"])
        # A million spans of 200 ns take 0.2 of a core.
        assert one.kept_share == kept

    def test_tail_sampling(self):
        one = the_one("tail", ratios=[0.01])
        assert one.recorded_per_second == 1_500_000
        # 1 % errors, 1 % slow, and 1 % of the other 98 %.
        assert one.kept_share == approx(0.0298)
        assert one.exported_per_second == approx(44_700)
        assert (one.faults_kept_share, one.flagged_share) == (1, 1)
        # 1.5 million of 946 + 150 ns, and 44,700 of 74.
        assert one.cpu_cores == approx(1.644 + 0.0033078)

    def test_always_record_differs_in_what_is_flagged_and_in_nothing_else(self):
        (tail, always_record) = estimate(BUSY, strategies=["tail", "always_record_tail"])
        assert always_record.flagged_share == 0.01
        for name in ("kept_share", "faults_kept_share", "recorded_per_second", "exported_per_second", "cpu_cores", "tail"):
            assert getattr(tail, name) == getattr(always_record, name)

    def test_errors_and_slow_traces_are_at_most_all(self):
        assert the_one("tail", Workload(10, 10, error_share=0.7, slow_share=0.6), ratios=[0]).kept_share == 1

    def test_the_tail_buffer(self):
        memory = the_one("tail").tail
        # 1,250 requests/s in a process for 0.5 s, and at most for 30 s.
        assert (memory.traces_held, memory.max_traces_held) == (625, 37_500)
        # 30 records of 508 bytes and 52 more in chunks with 508 bytes of room: 31 of 512.
        assert memory.bytes_held == 625 * 31 * 512
        # 50,000 entries, an index, and 400,000 decisions beside them: the latter two in tables of a power of two.
        assert memory.bytes_needed == 9_920_000 + 50_001 * 128 + 65_536 * 4 + 524_288 * 16
        assert memory.suffices

    @pytest.mark.parametrize("num_traces", [1, 1000, 1024, 1025, 50_000])
    @pytest.mark.parametrize("max_bytes", [8 << 20, 50 << 20, 64 << 20])
    def test_the_tables_of_the_tail_buffer_are_those_of_the_queue(self, num_traces, max_bytes):
        memory = the_one("tail", num_traces=num_traces, max_bytes=max_bytes).tail
        held = TailSampling([AlwaysSample()], num_traces=num_traces, max_bytes=max_bytes)
        # The queue's least size has 256 KiB for spans, and rounds each of its three tables up to 512 bytes.
        tables = min_bytes(num_traces, held.decision_cache_size) - (256 << 10)
        assert 0 <= tables - (memory.bytes_needed - memory.bytes_held) < 3 * 512

    def test_the_tail_buffer_holds_a_trace_no_longer_than_the_decision_waits(self):
        memory = the_one("tail", Workload(100, 10, trace_seconds=300), decision_wait=20).tail
        assert memory.traces_held == memory.max_traces_held == 2000
        lingering = the_one("tail", Workload(100, 10, trace_seconds=1), open_after_root=2).tail
        assert lingering.traces_held == 300

    def test_a_tail_buffer_too_small_for_the_traces(self):
        one = the_one("tail", Workload(1000, 1, trace_seconds=10), num_traces=9999)
        assert not one.tail.suffices
        assert [warning.partition(" is less than the ")[0] for warning in one.warnings] == ["num_traces=9,999"]
        assert the_one("tail", Workload(1000, 1, trace_seconds=10), num_traces=10_000).tail.suffices

    def test_a_tail_buffer_too_small_for_the_bytes(self):
        # Of one span: 448 + 8 and 52 bytes are a chunk, a byte more takes two. 8,000 entries; an eighth for decisions.
        table = 8001 * 128 + 8192 * 4 + (1 << 20)
        one_chunk = Workload(8000, 1, bytes_per_span=448, trace_seconds=1)
        two_chunks = Workload(4000, 1, bytes_per_span=449, trace_seconds=1)
        for workload in (one_chunk, two_chunks):
            memory = the_one("tail", workload, num_traces=8000, max_bytes=8 << 20).tail
            assert memory.bytes_held == 8000 * 512
            assert memory.bytes_needed == 8000 * 512 + table
            needed = int(memory.bytes_needed)
            assert memory.suffices
            (warning,) = the_one("tail", workload, num_traces=8000, max_bytes=needed - (1 << 20)).warnings
            assert "MiB that each process needs" in warning

    def test_more_cpu_than_there_is(self):
        (warning,) = the_one("always_on", Workload(100_000, 10, processes=1)).warnings
        assert "1.02 cores" in warning
        assert the_one("always_on", Workload(100_000, 10, processes=2)).warnings == ()

    def test_the_price_is_of_what_is_stored(self):
        one = the_one("always_on", Workload(100, 10, bytes_per_span=1000, retention_days=10, price_per_gigabyte_month=0.5))
        # 1 MB/s for 864,000 s.
        assert one.stored_bytes == 864e9
        assert one.price_per_month == 432

    def test_given_costs_replace_the_measured_ones(self):
        (one,) = estimate(Workload(1000, 10), Choices(), SpanCosts(0, 1000, 500, 9), ["always_on"])
        assert one.cpu_cores == approx(10_000 * 1500e-9)

    def test_several_ratios_are_several_estimates_in_a_fixed_order(self):
        found = estimate(BUSY, Choices(ratios=[0.1, 0.01], rules=[TrafficRule("a", 0.1, 1)]), strategies=STRATEGIES[::-1])
        assert [one.strategy for one in found] == [
            "always_on", "probability", "probability", "rate_limited", "rule_based", "rule_based", "adaptive",
            "overhead_budget", "tail", "tail", "always_record_tail", "always_record_tail",
        ]  # fmt: skip
        assert [one.setting for one in found if one.strategy == "probability"] == ["0.1", "0.01"]


class TestWrongArguments:
    @pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
    @pytest.mark.parametrize(
        "name",
        ["requests_per_second", "spans_per_request", "bytes_per_span", "trace_seconds", "process_cores", "retention_days"],
    )
    def test_what_must_be_above_zero(self, name, value):
        arguments = {"requests_per_second": 1, "spans_per_request": 1} | {name: value}
        with pytest.raises(ValueError, match=f"{name} must be a number above 0"):
            Workload(**arguments)

    @pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
    @pytest.mark.parametrize("name", ["error_share", "slow_share"])
    def test_shares(self, name, value):
        with pytest.raises(ValueError, match=f"{name} must be from 0 to 1"):
            Workload(1, 1, **{name: value})

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"ratios": []}, "ratios must not be empty"),
            ({"ratios": [0.1, 1.5]}, "ratios must be from 0 to 1, not 1.5"),
            ({"traces_per_second": 0}, "traces_per_second must be a number above 0"),
            ({"cpu_fraction": 2}, "cpu_fraction must be from 0 to 1"),
            ({"cpu_fraction": 0}, "cpu_fraction must be a number above 0"),
            ({"open_after_root": -1}, "open_after_root must be a number from 0"),
            ({"num_traces": 0}, "num_traces must be an integer from 1"),
            ({"rules": [TrafficRule("a", 0.6, 1), TrafficRule("b", 0.5, 1)]}, "shares of at most 1 together, not 1.1"),
        ],
    )
    def test_choices(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            Choices(**arguments)

    def test_kinds(self):
        with pytest.raises(TypeError, match="requests_per_second must be a number above 0, not '1'"):
            Workload("1", 1)
        with pytest.raises(TypeError, match=r"processes must be an integer from 1, not 1\.5"):
            Workload(1, 1, processes=1.5)
        with pytest.raises(ValueError, match="tail_ns must be a number from 0"):
            SpanCosts(tail_ns=-1)

    def test_an_unknown_strategy(self):
        with pytest.raises(ValueError, match="not 'head'"):
            estimate(BUSY, strategies=["head"])


def run(arguments: str) -> Result:
    return CliRunner().invoke(command, ["cost", *shlex.split(arguments)], env={"COLUMNS": "80"})


@pytest.mark.thread_unsafe(reason="puts something else in the place of sys.stdout")
class TestCommand:
    def test_a_table_of_every_strategy(self):
        result = run("--requests 50000 --spans 30 --bytes 500 --processes 40 --price 0.02 --rule /health=0.3:0")
        assert result.exit_code == 0
        rows = [" ".join(line.split()) for line in result.output.splitlines()]
        assert "AlwaysOn 1,500,000 1,500,000 100 % 100 % 100 %" in rows
        assert "ConsistentProbability 0.01 15,000 15,000 1 % 1 % 1 %" in rows
        assert "tail 0.01, AlwaysRecord head 1,500,000 44,700 2.98 % 100 % 1 %" in rows
        assert "AlwaysOn 750 MB/s 1.53 1.94 PB 38,880.00" in rows
        assert "tail 0.01, AlwaysOn head 22.4 MB/s 1.65 23.8 MiB 57.9 TB 1,158.62" in rows
        assert "README" in result.output
        assert max(map(len, result.output.splitlines())) <= 80

    @pytest.mark.parametrize("width", [20, 45, 56, 72, 80, 200])
    def test_no_figure_is_cut(self, width):
        arguments = ["cost", "--requests", "500k", "--spans", "300", "--processes", "8", "--price", "0.05"]
        output = CliRunner().invoke(command, arguments, env={"COLUMNS": str(width)}).output
        words = " ".join(output.split())
        for figure in ("150,000,000", "0.00533 %", "132 PB", "6,609,600.00", "1.52 GB/s", "3.08 GiB", "slow kept"):
            assert figure in words, figure
        assert width < 45 or max(map(len, output.splitlines())) <= width

    @pytest.mark.parametrize("number", ["40000", "40,000", "40k", "40K", "40 k", "0.04M", "4e4", " 40_000 "])
    def test_large_numbers_may_be_written_short(self, number):
        report = json.loads(run(f"--requests '{number}' --spans 30 --num-traces 40k --max-bytes 64M --json").output)
        assert report["workload"]["requests_per_second"] == 40_000
        assert (report["choices"]["num_traces"], report["choices"]["max_bytes"]) == (40_000, 64_000_000)

    def test_the_size_of_a_span_leaves_its_cpu(self):
        words = "--bytes changes what is sent and stored, not the CPU"
        assert words in " ".join(run("--requests 10 --spans 3 --bytes 5000").output.split())
        assert words not in " ".join(run("--requests 10 --spans 3").output.split())
        assert words not in " ".join(run("--requests 10 --spans 3 --bytes 5000 --recorded-ns 9000").output.split())

    def test_what_does_not_apply_has_no_column(self):
        output = run("--requests 10 --spans 3 --strategy probability --strategy adaptive").output
        assert "buffer" not in output
        assert "a month" not in output
        assert "AlwaysOn" not in output

    def test_a_warning_names_the_strategies_that_it_is_about(self):
        output = " ".join(run("--requests 50000 --spans 30 --processes 2 --trace-duration 3").output.split())
        assert "tail, always_record_tail: num_traces=50,000 is less than the 75,000 traces" in output
        assert "tail, always_record_tail: max_bytes=64 MiB is less than" in output

    def test_given_costs_are_said_to_be_given(self):
        output = run("--requests 10 --spans 3 --export-ns 800").output
        assert "(given)" in output
        assert "README" not in output

    def test_json(self):
        result = run("--requests 50000 --spans 30 --bytes 500 --ratio 0.1 --ratio 0.01 --json")
        report = json.loads(result.output)
        assert report["workload"]["requests_per_second"] == 50_000
        assert report["choices"]["ratios"] == [0.1, 0.01]
        assert report["span_costs"] == {"unsampled_ns": 217, "recorded_ns": 946, "export_ns": 74, "tail_ns": 150}
        assert "README" in report["span_costs_source"]
        first, *others = report["estimates"]
        assert (first["strategy"], first["bytes_per_second"], first["tail"]) == ("always_on", 750e6, None)
        exported = [one["exported_per_second"] for one in others if one["strategy"] == "probability"]
        assert exported == approx([150_000, 15_000])
        tail = next(one for one in others if one["strategy"] == "tail")
        assert tail["tail"]["traces_held"] == 25_000
        assert tail["tail"]["suffices"] is False
        assert "max_bytes" in " ".join(tail["warnings"])

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ("--spans 30", "--requests"),
            ("--requests 10", "--spans"),
            ("--requests 0 --spans 30", "'--requests': 0.0 is not in the range"),
            ("--requests -5 --spans 30", "'--requests': -5.0 is not in the range"),
            ("--requests nan --spans 30", "'--requests': 'nan' is not a finite number"),
            ("--requests inf --spans 30", "'--requests': 'inf' is not a finite number"),
            ("--requests 0,5 --spans 3", "'0,5' is not a number, such as 40000, 40,000, 40k or 0.5"),
            ("--requests 4,00 --spans 3", "'4,00' is not a number"),
            ("--requests 40x --spans 3", "'40x' is not a number"),
            ("--requests 5 --spans 3 --ratio 10%", "'--ratio': '10%' is not a number: write 0.1."),
            ("--requests 5 --spans 3 --error-share 0,5%", "'--error-share': '0,5%' is not a number: write 0.005."),
            ("--requests 5 --spans 3 --ratio 10", "'--ratio': 10.0 is not in the range 0<=x<=1: write 0.1 for 10 %."),
            ("--requests 5 --spans 3 --ratio tenth", "'tenth' is not a number, such as 0.5."),
            ("--requests 5 --spans 3 --rule /x=5%:1", "'/x=5%:1': '5%' is not a number: write 0.05."),
            ("--requests 4,0k --spans 3", "'4,0k' is not a number"),
            ("--requests 5 --spans 3 --processes 1.5", "'1.5' is not a whole number"),
            ("--requests 5 --spans 3 --processes inf", "'inf' is not a whole number"),
            ("--requests 5 --spans 3 --processes nan", "'nan' is not a whole number"),
            ("--requests 5 --spans 0", "'--spans'"),
            ("--requests 5 --spans 3 --ratio 1.5", "'--ratio': 1.5 is not in the range"),
            ("--requests 5 --spans 3 --error-share 2", "'--error-share'"),
            ("--requests 5 --spans 3 --processes 0", "'--processes'"),
            ("--requests 5 --spans 3 --retention 0", "'--retention'"),
            ("--requests 5 --spans 3 --cpu-fraction 0", "'--cpu-fraction'"),
            ("--requests 5 --spans 3 --price -1", "'--price'"),
            ("--requests 5 --spans 3 --strategy luck", "'--strategy'"),
            ("--requests 5 --spans 3 --strategy rule_based", "needs a --rule"),
            ("--requests 5 --spans 3 --rule /a", "NAME=SHARE:RATIO"),
            ("--requests 5 --spans 3 --rule /a=1:2", "2.0 is not in the range 0<=x<=1: write 0.02 for 2 %"),
            ("--requests 5 --spans 3 --rule /a=x:1", "'x' is not a number, such as 0.5"),
            ("--requests 5 --spans 3 --rule /a=0.6:1 --rule /b=0.6:1", "shares of at most 1 together"),
        ],
    )
    def test_wrong_arguments_are_named(self, arguments, words):
        result = run(arguments)
        assert result.exit_code == 2
        assert words in " ".join(result.output.split())

    def test_as_a_program(self):
        run = subprocess.run(
            [sys.executable, "-m", "nanospan.cli", "cost", "--requests", "100", "--spans", "10"],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert (run.returncode, run.stderr) == (0, "")
        assert "ConsistentProbability" in run.stdout
        assert "\x1b" not in run.stdout

    def test_a_rule_may_have_any_name(self):
        report = json.loads(run("--requests 5 --spans 3 --rule 'a=b: [red]c=0.5:1' --json").output)
        (rule,) = report["choices"]["rules"]
        assert rule == {"name": "a=b: [red]c", "share": 0.5, "ratio": 1}
        assert "[red]c" in run("--requests 5 --spans 3 --rule [red]c=0.5:1").output


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (750e6, "750 MB"), (1.944e15, "1.94 PB"), (1e19, "10,000 PB")],
)
def test_sizes(size, text):
    assert decimal_size(size) == text


@pytest.mark.parametrize(
    ("part", "text"), [(0, "0 %"), (1e-7, "<0.01 %"), (0.0298, "2.98 %"), (0.99999, ">99.9 %"), (1, "100 %")]
)
def test_shares(part, text):
    assert share(part) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (0.0001, "<0.001"), (0.337545, "0.338"), (1.53, "1.53"), (1234.5, "1,234")]
)
def test_cores(number, text):
    assert cores(number) == text
