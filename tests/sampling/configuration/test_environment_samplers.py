"""nanospan's own samplers by ``OTEL_TRACES_SAMPLER`` and ``OTEL_TRACES_SAMPLER_ARG``, and as entry points."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from support.accounting import WAIT, clear_environment

from nanospan import sampling
from nanospan.sampling.configuration.environment import own_sampler, standard_sampler

OWN = {
    "nanospan_probability": "ConsistentProbability",
    "nanospan_rate_limited": "RateLimited",
    "nanospan_adaptive": "Adaptive",
    "nanospan_overhead_budget": "OverheadBudget",
}


class Made(sampling.StaticSampler):
    """Stands for a sampler, and remembers what it was made with."""

    def __init__(self, amount: float) -> None:
        super().__init__(sampling.Decision.RECORD_AND_SAMPLE)
        self.amount = amount


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    clear_environment(monkeypatch)


@pytest.fixture
def amount_given(monkeypatch):
    """What the class is called with when the variables are ``name`` and ``argument``; 0 where it is not called."""

    def given(name: str, argument: str | None) -> float:
        for cls in OWN.values():
            monkeypatch.setattr(sampling, cls, None)
        monkeypatch.setattr(sampling, OWN[name.lower()], Made)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
        if argument is not None:
            monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
        made = standard_sampler()
        assert type(made) is sampling.ParentBased
        root = made._root
        return 0.0 if root is sampling.ALWAYS_OFF else root.amount

    return given


@pytest.mark.parametrize("name", OWN)
def test_the_argument_arrives_without_a_word(amount_given, caplog, name):
    assert amount_given(name, " 0.5 ") == 0.5
    assert amount_given(name, "0") == 0
    assert amount_given(name.upper(), "1e-2") == 0.01
    assert caplog.messages == []


@pytest.mark.parametrize("argument", [None, "", " ", "much", "nan", "1,5"])
@pytest.mark.parametrize(
    ("name", "default", "meaning"),
    [
        ("nanospan_probability", 1.0, "1 of the traces"),
        ("nanospan_rate_limited", 100.0, "100 traces a second"),
        ("nanospan_adaptive", 1000.0, "1000 spans a second"),
        ("nanospan_overhead_budget", 0.02, "0.02 of the CPU"),
    ],
)
def test_without_a_usable_argument_it_is_the_default(amount_given, caplog, name, default, meaning, argument):
    assert amount_given(name, argument) == default
    problem = f"={argument!r} is not a number" if argument and argument.strip() else " is not set"
    assert caplog.messages == [f"OTEL_TRACES_SAMPLER_ARG{problem}; using {meaning}"]


@pytest.mark.parametrize(
    ("name", "argument", "amount"),
    [
        ("nanospan_probability", "-0.1", 0),
        ("nanospan_probability", "1.5", 1),
        ("nanospan_probability", "inf", 1),
        ("nanospan_probability", "1e-20", 2.0**-56),
        ("nanospan_rate_limited", "-5", 0),
        ("nanospan_rate_limited", "inf", 1e9),
        ("nanospan_adaptive", "-1", 0),
        ("nanospan_adaptive", "1e30", 1e9),
        ("nanospan_overhead_budget", "2", 1),
        ("nanospan_overhead_budget", "-inf", 0),
    ],
)
def test_out_of_range_is_brought_into_range_with_one_warning(amount_given, caplog, name, argument, amount):
    assert amount_given(name, argument) == amount
    (message,) = caplog.messages
    assert message.startswith(f"OTEL_TRACES_SAMPLER_ARG='{argument}' is out of range (0, or ")


@pytest.mark.parametrize("argument", ["0.001", "1e-6", "1e-30", "0.5", "1", "250", "1e9", "1e300"])
@pytest.mark.parametrize("name", OWN)
def test_the_classes_take_what_they_are_given(monkeypatch, name, argument):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    made = standard_sampler()
    assert type(made) is sampling.ParentBased
    assert type(made._root) is getattr(sampling, OWN[name])
    assert isinstance(made, sampling.Sampler)


@pytest.mark.parametrize(
    ("name", "sampler"),
    [
        ("always_on", sampling.ALWAYS_ON),
        ("always_off", sampling.ALWAYS_OFF),
        ("parentbased_always_on", sampling.DEFAULT_ON),
        ("parentbased_always_off", sampling.DEFAULT_OFF),
    ],
)
def test_the_standard_names_are_nanospans_samplers(monkeypatch, name, sampler):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    assert standard_sampler() is sampler


@pytest.mark.parametrize("name", ["nanospan_luck", "jaeger_remote", "nanospan_always_on", "parentbased_nanospan_adaptive"])
def test_a_name_of_nobody_is_none(monkeypatch, name):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    assert standard_sampler() is None
    assert own_sampler() is None


def test_standard_names_are_not_nanospans_own(monkeypatch):
    assert own_sampler() is None
    for name in ("", "always_off", "parentbased_traceidratio"):
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
        assert own_sampler() is None
    for name in (*OWN, "nanospan_always_record"):
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
        assert own_sampler().get_description() == standard_sampler().get_description()


def test_the_entry_points():
    found = {entry.name: entry for entry in entry_points(group="opentelemetry_traces_sampler")}
    assert {name for name in found if "nanospan" in name} == {*OWN, "nanospan_rule_based", "nanospan_always_record"}
    for name, cls in OWN.items():
        sampler = found[name].load()("0.25")
        assert type(sampler) is sampling.ParentBased
        assert type(sampler._root) is getattr(sampling, cls)


def test_the_sdks_configurator_makes_it_of_the_variables():
    script = """
import json
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
_OTelSDKConfigurator().configure()
from opentelemetry import trace
sampler = trace.get_tracer_provider().sampler
print(json.dumps([type(sampler).__module__, type(sampler._root).__name__, sampler._root.get_description()]))
"""
    variables = {"OTEL_TRACES_SAMPLER": "nanospan_probability", "OTEL_TRACES_SAMPLER_ARG": "0.25"}
    run = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True, timeout=WAIT)
    assert run.returncode == 0, run.stderr
    module, root, description = json.loads(run.stdout)
    assert (module.partition(".")[0], root) == ("nanospan", "ConsistentProbability")
    assert "0.25" in description
    assert run.stderr == ""
