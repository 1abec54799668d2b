"""Samplers in configuration files: what is particular to them. The settings are in test_sampler_settings.py."""

from __future__ import annotations

import json
import logging
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from support.declarative_files import (
    NANOSPANS,
    REPORT,
    THE_SDKS,
    configured,
    refusal,
    run,
    sampler_of_file,
    with_sampler,
)

pytest.importorskip("opentelemetry.configuration", reason="opentelemetry-configuration is not installed")
pytestmark = pytest.mark.usefixtures("clean_environment")

RULES = "nanospan_rule_based: {rules: [{name: a, sampler: {always_off: }}], default: {always_on: }}"
DROPPED = "The SDK's configurator drops the properties that a configuration file gives"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "otel.yaml"


def test_nanospans_configurator_makes_the_sampler_of_the_provider(file):
    found = configured(NANOSPANS, with_sampler(file, "nanospan_probability: {ratio: 0.25, randomness: hash}"))
    assert found.report["description"].startswith("ParentBased{root:ConsistentProbability{0.25")
    assert found.log == ""


def test_nanospans_configurator_refuses_wrong_properties(file):
    last = refusal(NANOSPANS, with_sampler(file, "nanospan_probability: {rate: 0.5}"))
    assert "nanospan_probability: 'rate' is not one of its properties: ratio, " in last


def test_variables_are_substituted(file, monkeypatch):
    with_sampler(file, "nanospan_probability:\n  ratio: ${RATIO:-0.5}")
    assert "{0.5" in sampler_of_file(file).get_description()
    monkeypatch.setenv("RATIO", "0.125")
    assert "{0.125" in sampler_of_file(file).get_description()


def test_inside_parent_based_they_are_what_they_are(file, caplog):
    """Two nodes of one sampler have their own properties."""
    with_sampler(
        file,
        """
        parent_based:
          root: {nanospan_probability: {ratio: 0.25}}
          remote_parent_sampled: {nanospan_probability: {ratio: 0.75}}
          local_parent_sampled: {nanospan_rate_limited: {traces_per_second: 9}}
          local_parent_not_sampled: {always_on: }
        """,
    )
    description = sampler_of_file(file).get_description()
    assert description.startswith("ParentBased{root:ConsistentProbability{0.25")
    assert "remoteParentSampled:ConsistentProbability{0.75" in description
    assert "remoteParentNotSampled:AlwaysOffSampler" in description
    assert "localParentSampled:RateLimited{9/s" in description
    assert "localParentNotSampled:AlwaysOnSampler" in description
    assert description.count("ParentBased") == 1
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("node", "description"),
    [
        ("nanospan_probability: {ratio: 0.25}", "ConsistentProbability{1"),
        ("nanospan_rate_limited: {traces_per_second: 7}", "RateLimited{100/s"),
        ("nanospan_adaptive: {target_spans_per_second: 250}", "Adaptive{1000"),
        ("nanospan_overhead_budget: {cpu_fraction: 0.05}", "OverheadBudget{0.02"),
    ],
)
def test_the_sdks_configurator_drops_the_properties(file, caplog, node, description):
    sampler = sampler_of_file(with_sampler(file, node), with_nanospan=False)
    assert sampler.get_description().startswith(f"ParentBased{{root:{description}")
    (message,) = (record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
    assert DROPPED in message
    assert "OTEL_PYTHON_CONFIGURATOR=nanospan keeps them" in message
    assert node.partition(":")[0] in message


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (RULES, "nanospan_rule_based: default must be given"),
        ("nanospan_always_record: {root: {always_on: }}", "nanospan_always_record: root must be given"),
        ("nanospan_links_based: {root: {always_on: }}", "nanospan_links_based: root must be given"),
    ],
)
def test_a_sampler_that_needs_its_properties_is_refused_by_the_sdks_configurator(file, node, words):
    from opentelemetry.configuration import ConfigurationError

    with pytest.raises(ConfigurationError, match=words):
        sampler_of_file(with_sampler(file, node), with_nanospan=False)


def test_the_sdks_configurator_in_a_process_of_its_own(file):
    found = configured(THE_SDKS, with_sampler(file, "nanospan_probability: {ratio: 0.25}"))
    assert found.report["description"].startswith("ParentBased{root:ConsistentProbability{1")
    assert found.log.count(DROPPED) == 1
    assert "root must be given" in refusal(THE_SDKS, with_sampler(file, "nanospan_always_record: {root: {always_on: }}"))


def test_a_file_that_no_variable_names(file):
    script = f"""
from opentelemetry.configuration import configure_sdk, load_config_file
configure_sdk(load_config_file({str(with_sampler(file, "nanospan_probability: {ratio: 0.25}"))!r}))
"""
    finished = run(script + REPORT, None)
    report = json.loads(finished.stdout.splitlines()[-1])
    assert report["description"].startswith("ParentBased{root:ConsistentProbability{1")
    assert finished.stderr.count(DROPPED) == 1


def test_the_standards_probability_which_the_package_refuses(file):
    from opentelemetry.configuration import ConfigurationError

    with_sampler(file, "parent_based: {root: {probability/development: {ratio: 0.25}}}")
    with pytest.raises(ConfigurationError, match="Unsupported sampler type"):
        sampler_of_file(file, with_nanospan=False)
    assert sampler_of_file(file).get_description().startswith("ParentBased{root:ConsistentProbability{0.25")


@pytest.mark.parametrize(
    ("node", "description"),
    [
        ("always_off:", "AlwaysOffSampler"),
        ("trace_id_ratio_based: {ratio: 0.25}", "TraceIdRatioBased{0.25}"),
        ("parent_based:", "ParentBased{root:AlwaysOnSampler"),
        ("composite/development: {always_on: }", "ComposableAlwaysOn"),
    ],
)
def test_the_samplers_of_the_standard_stay_what_they_are(file, node, description):
    with_sampler(file, node)
    found = sampler_of_file(file).get_description()
    assert found.startswith(description)
    assert found == sampler_of_file(file, with_nanospan=False).get_description()


def test_properties_that_a_later_sdk_hands_over_are_used(caplog):
    from nanospan.sampling.configuration import declarative

    (entry,) = entry_points(group="opentelemetry_sampler", name="nanospan_rate_limited")
    assert entry.load() is declarative.rate_limited
    assert "RateLimited{7/s" in entry.load()(traces_per_second=7).get_description()
    assert caplog.messages == []


def test_every_sampler_of_the_file_is_an_entry_point():
    from nanospan.sampling.configuration.nodes import MAKERS

    assert {entry.name for entry in entry_points(group="opentelemetry_sampler")} >= set(MAKERS)
