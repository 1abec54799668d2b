"""Samplers by ``OTEL_TRACES_SAMPLER``: their names, the entry points, and the SDK's configurator. Their arguments are in
test_sampler_settings.py."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from opentelemetry.sdk.trace import sampling as sdk
from support.accounting import WAIT

import nanospan
from nanospan import sampling
from nanospan.sampling.configuration.environment import known_sampler, provider_sampler

pytestmark = pytest.mark.usefixtures("clean_environment")

OWN = {
    "nanospan_probability": "ConsistentProbability",
    "nanospan_rate_limited": "RateLimited",
    "nanospan_adaptive": "Adaptive",
    "nanospan_overhead_budget": "OverheadBudget",
}
RULES = json.dumps(
    {"rules": [{"name": "GET /health", "sampler": {"always_off": {}}}], "default": {"trace_id_ratio_based": {"ratio": 0}}}
)
BY_JSON = {
    "nanospan_rule_based": RULES,
    "nanospan_always_record": '{"root": {"always_on": {}}}',
    "nanospan_links_based": '{"root": {"nanospan_rate_limited": {}}, "linked_not_sampled": {"always_on": {}}}',
}
"""Samplers whose argument is a JSON object, and one of each."""
STANDARD = {
    "": "DEFAULT_ON",
    " ": "DEFAULT_ON",
    "always_on": "ALWAYS_ON",
    "always_off": "ALWAYS_OFF",
    "parentbased_always_on": "DEFAULT_ON",
    "parentbased_always_off": "DEFAULT_OFF",
}


@pytest.mark.parametrize("spelling", [str, str.upper, str.title, lambda name: f" {name} "])
@pytest.mark.parametrize(("name", "sampler"), STANDARD.items())
def test_the_standard_names_in_any_case(monkeypatch, caplog, name, sampler, spelling):
    """A configurator gets nanospan's objects; a provider alone those of the SDK, as the SDK's own does."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", spelling(name))
    assert known_sampler() is getattr(sampling, sampler)
    assert provider_sampler() is getattr(sdk, sampler)
    assert caplog.messages == []


def test_without_the_variable_the_provider_has_the_sdks_default(caplog):
    assert known_sampler() is sampling.DEFAULT_ON
    assert provider_sampler() is None
    assert nanospan.TracerProvider(shutdown_on_exit=False).sampler is sdk.DEFAULT_ON
    assert caplog.messages == []


@pytest.mark.parametrize("name", ["traceidratio", "parentbased_traceidratio", "PARENTBASED_TRACEIDRATIO"])
@pytest.mark.parametrize(("argument", "rate"), [(None, 1.0), ("", 1.0), (" 0.25 ", 0.25), ("1e-30", 1e-30), ("0", 0.0)])
def test_ratios(monkeypatch, caplog, name, argument, rate):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    if argument is not None:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    for sampler in (known_sampler(), provider_sampler()):
        assert f"TraceIdRatioBased{{{rate}}}" in sampler.get_description()
    assert caplog.messages == []


@pytest.mark.parametrize("name", [*OWN, *BY_JSON])
def test_nanospans_names_in_any_case(monkeypatch, caplog, name):
    argument = BY_JSON.get(name, "0.5")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    made = set()
    for spelling in (name, name.upper()):
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", spelling)
        made |= {known_sampler().get_description(), provider_sampler().get_description()}
    assert len(made) == 1
    assert caplog.messages == []


@pytest.mark.parametrize("name", ["nanospan_luck", "jaeger_remote", "nanospan_always_on", "parentbased_nanospan_adaptive"])
def test_a_name_of_nobody(monkeypatch, caplog, name):
    """It may be an entry point, which a configurator looks up; for a provider alone it counts as unset."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    assert known_sampler() is None
    assert caplog.messages == []
    assert provider_sampler() is sdk.DEFAULT_ON
    (message,) = caplog.messages
    assert message.startswith(f"OTEL_TRACES_SAMPLER={name!r} is ignored: write always_on, ")
    assert message.endswith("(default parentbased_always_on)")


def test_the_entry_points():
    found = {entry.name: entry for entry in entry_points(group="opentelemetry_traces_sampler")}
    assert {name for name in found if "nanospan" in name} == {*OWN, *BY_JSON}
    for name, cls in OWN.items():
        sampler = found[name].load()("0.25")
        assert type(sampler) is sampling.ParentBased
        assert type(sampler._root) is getattr(sampling, cls)
    assert type(found["nanospan_rule_based"].load()(RULES)) is sampling.ParentBased
    assert type(found["nanospan_always_record"].load()('{"root": {"always_off": {}}}')) is sampling.AlwaysRecord
    assert type(found["nanospan_links_based"].load()('{"root": {"always_off": {}}}')._root) is sampling.LinksBased


@pytest.mark.parametrize(
    ("name", "argument", "description"),
    [
        ("nanospan_probability", "0.25", "ParentBased{root:ConsistentProbability{0.25"),
        ("nanospan_rule_based", RULES, "ParentBased{root:RuleBased{[(name=GET /health:"),
    ],
)
def test_the_sdks_configurator_makes_it_of_the_variables(name, argument, description):
    script = """
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
_OTelSDKConfigurator().configure()
from opentelemetry import trace
sampler = trace.get_tracer_provider().sampler
print(type(sampler).__module__, sampler.get_description())
"""
    variables = {"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument}
    run = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True, timeout=WAIT)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith(f"nanospan.sampling {description}")
