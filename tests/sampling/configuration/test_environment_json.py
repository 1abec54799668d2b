"""nanospan's samplers by ``OTEL_TRACES_SAMPLER`` with a JSON object for ``OTEL_TRACES_SAMPLER_ARG``."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind
from support.accounting import WAIT
from support.head_sampling import DROPPED, KEPT, decided

from nanospan.sampling import DEFAULT_ON, AlwaysRecord, ParentBased, Sampler
from nanospan.sampling.configuration.environment import standard_sampler

pytestmark = pytest.mark.usefixtures("clean_environment")

RULES = {
    "rules": [
        {"name": "GET /health", "sampler": {"always_off": {}}},
        {"attributes": {"http.route": ["/checkout", "/pay"]}, "kind": ["server", "client"], "sampler": {"always_on": None}},
        {
            "attributes": {"http.request.header.x-debug": {"any": True}},
            "sampler": {"nanospan_rate_limited": {"traces_per_second": 5}},
        },
    ],
    "default": {"trace_id_ratio_based": {"ratio": 0}},
}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch):
    def of(name: str, argument: Any) -> Sampler:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument if isinstance(argument, str) else json.dumps(argument))
        sampler = standard_sampler()
        assert sampler is not None
        return sampler

    return of


@pytest.mark.parametrize("name", ["nanospan_rule_based", "NANOSPAN_RULE_BASED"])
def test_rules(made, caplog, name):
    sampler = made(name, RULES)
    assert type(sampler) is ParentBased

    def decision(span: str, attributes: dict[str, Any]) -> Any:
        return sampler.should_sample(Context(), 1, span, SpanKind.SERVER, attributes, ()).decision

    assert decision("GET /health", {"http.route": "/pay"}) is DROPPED
    assert decision("GET /pay", {"http.route": "/pay"}) is KEPT
    assert decision("GET /", {"http.request.header.x-debug": "1"}) is KEPT
    assert decision("GET /", {}) is DROPPED
    assert caplog.messages == []


def test_rules_about_the_parent_have_no_parent_based_around_them(made):
    rules = [{"parent": "remote", "sampler": {"always_off": {}}}]
    sampler = made("nanospan_rule_based", {"rules": rules, "default": {"always_on": {}}})
    assert sampler.get_description().startswith("RuleBased")


@pytest.mark.parametrize(
    ("name", "properties", "description"),
    [
        ("nanospan_rate_limited", {"traces_per_second": 7, "consistent": True}, "root:RateLimited{7/s,consistent}"),
        ("nanospan_rate_limited", {}, "root:RateLimited{100/s"),
        ("nanospan_probability", {"ratio": 0.25, "randomness": "hash"}, "root:ConsistentProbability{0.25,th:c"),
        ("nanospan_probability", {"ratio": 0}, "root:AlwaysOff"),
        ("nanospan_adaptive", {"target_spans_per_second": 20}, "root:Adaptive{20"),
        ("nanospan_overhead_budget", {"cpu_fraction": 0.01}, "root:OverheadBudget{"),
        ("nanospan_always_record", {"root": {"nanospan_probability": {"ratio": 0.5}}}, "{ParentBased{root:Consistent"),
        (
            "nanospan_always_record",
            {"root": {"parent_based": {"root": {"always_off": {}}, "remote_parent_sampled": {"always_off": {}}}}},
            "{ParentBased{root:AlwaysOffSampler,remoteParentSampled:AlwaysOff",
        ),
    ],
)
def test_properties_are_the_arguments_of_the_class(made, caplog, name, properties, description):
    assert description in made(name, properties).get_description()
    assert caplog.messages == []


def test_delegates_of_a_parent_based(made):
    sampler = made("nanospan_always_record", {"root": {"parent_based": {}}})
    assert type(sampler) is AlwaysRecord
    assert decided(sampler, 1)[0] is KEPT


@pytest.mark.parametrize(
    ("name", "argument", "words"),
    [
        ("nanospan_rule_based", "", ["Expecting value"]),
        ("nanospan_rule_based", "0.5", ["mapping", "0.5"]),
        ("nanospan_rule_based", "{", ["Expecting"]),
        ("nanospan_rule_based", "[" * 100_000, ["JSON array"]),
        ("nanospan_rule_based", {"rules": []}, ["default must be given"]),
        ("nanospan_rule_based", {"rules": [], "default": {"luck": {}}}, ["default", "'luck'", "always_on"]),
        ("nanospan_rule_based", {"rules": [], "default": {"always_on": {}, "always_off": {}}}, ["must be a sampler"]),
        ("nanospan_rule_based", {"rules": [], "default": {"always_on": {"ratio": 1}}}, ["'ratio'", "it has none"]),
        ("nanospan_rule_based", {"rules": [], "default": {"always_on": [1]}}, ["always_on must have a mapping"]),
        ("nanospan_rule_based", {"rules": [], "default": {"trace_id_ratio_based": {"ratio": 2}}}, ["ratio"]),
        ("nanospan_rule_based", {"rules": [], "default": {"trace_id_ratio_based": {"ratio": "x"}}}, ["ratio"]),
        ("nanospan_rule_based", {"rules": [], "default": {"parent_based": {"leaf": {"always_on": {}}}}}, ["'leaf'", "root"]),
        (
            "nanospan_rule_based",
            {"rules": [{"attributes": {"x-debug": "1"}, "sampler": {"always_on": {}}}], "default": {"always_on": {}}},
            ["flood"],
        ),
        ("nanospan_rate_limited", {"traces_per_second": -1}, ["nanospan_rate_limited", "traces_per_second"]),
        ("nanospan_rate_limited", {"rate": 1}, ["'rate'"]),
        ("nanospan_always_record", {}, ["root must be given"]),
        ("nanospan_always_record", {"root": {"nanospan_probability": 7}}, ["nanospan_probability must have a mapping"]),
    ],
)
def test_what_cannot_be_used_keeps_everything_with_one_warning(made, caplog, name, argument, words):
    assert made(name, argument) is DEFAULT_ON
    (message,) = caplog.messages
    assert message.startswith(f"OTEL_TRACES_SAMPLER_ARG of {name} cannot be used (")
    assert message.endswith("); using parentbased_always_on")
    assert all(word in message for word in words), message


def test_the_entry_points_take_it():
    found = {entry.name: entry for entry in entry_points(group="opentelemetry_traces_sampler")}
    assert type(found["nanospan_rule_based"].load()(json.dumps(RULES))) is ParentBased
    assert type(found["nanospan_always_record"].load()('{"root": {"always_off": {}}}')) is AlwaysRecord


def test_the_sdks_configurator_hands_it_over():
    script = """
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
_OTelSDKConfigurator().configure()
from opentelemetry import trace
print(trace.get_tracer_provider().sampler.get_description())
"""
    variables = {"OTEL_TRACES_SAMPLER": "nanospan_rule_based", "OTEL_TRACES_SAMPLER_ARG": json.dumps(RULES)}
    run = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True, timeout=WAIT)
    assert (run.returncode, run.stderr) == (0, "")
    assert "RuleBased{[(name=GET /health:" in run.stdout
