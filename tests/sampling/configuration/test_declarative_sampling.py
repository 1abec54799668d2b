"""nanospan's samplers in declarative configuration files, in real processes."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from support.declarative_files import CONFIGURE, NANOSPANS, REPORT, THE_SDKS, configured, refusal, run, with_sampler

pytest.importorskip("opentelemetry.configuration", reason="opentelemetry-configuration is not installed")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "otel.yaml"


def rules(one: str) -> str:
    return f"nanospan_rule_based: {{rules: [{one}], default: {{always_on: }}}}"


class TestSamplers:
    @pytest.mark.parametrize(
        ("node", "description"),
        [
            ("nanospan_probability: {ratio: 0.25}", "ConsistentProbability{0.25"),
            ("nanospan_probability:", "ConsistentProbability{1"),
            ("nanospan_probability: {ratio: 1, randomness: hash}", "ConsistentProbability{1"),
            ("nanospan_probability: {ratio: 0}", "AlwaysOffSampler"),
            ("nanospan_rate_limited: {traces_per_second: 7, burst: 20}", "RateLimited{7/s"),
            ("nanospan_rate_limited:", "RateLimited{100/s"),
            ("nanospan_adaptive: {target_spans_per_second: 250}", "Adaptive{250"),
            ("nanospan_adaptive:", "Adaptive{1000"),
            ("nanospan_overhead_budget: {cpu_fraction: 0.05}", "OverheadBudget{"),
            ("nanospan_overhead_budget:", "OverheadBudget{"),
        ],
    )
    def test_at_the_top_they_follow_the_parent(self, file, node, description):
        found = configured(NANOSPANS, with_sampler(file, node))
        assert found.report["description"].startswith(f"ParentBased{{root:{description}")
        assert found.log == ""

    def test_variables_are_substituted(self, file):
        with_sampler(file, "nanospan_probability:\n  ratio: ${RATIO:-0.5}")
        assert "{0.5" in configured(NANOSPANS, file).report["description"]
        assert "{0.125" in configured(NANOSPANS, file, RATIO="0.125").report["description"]

    def test_inside_parent_based_they_are_what_they_are(self, file):
        with_sampler(
            file,
            """
            parent_based:
              root: {nanospan_probability: {ratio: 0.25}}
              remote_parent_sampled: {nanospan_rate_limited: {traces_per_second: 9}}
              local_parent_not_sampled: {always_on: }
            """,
        )
        found = configured(NANOSPANS, file)
        description = found.report["description"]
        assert description.startswith("ParentBased{root:ConsistentProbability{0.25")
        assert "remoteParentSampled:RateLimited{9/s" in description
        assert "remoteParentNotSampled:AlwaysOffSampler" in description
        assert "localParentNotSampled:AlwaysOnSampler" in description
        assert description.count("ParentBased") == 1
        assert found.log == ""

    RULES = """
        nanospan_rule_based:
          rules:
            - {name: GET /health, sampler: {always_off: }}
            - name: "GET /*"
              kind: [server, consumer]
              attributes: {http.route: [/checkout, /pay], tenant: {any: true}, retries: 3}
              scope: "shop.*"
              sampler: {nanospan_probability: {ratio: 0.5}}
            - {attributes: {http.request.header.x-debug: "1"}, external: true, sampler: {nanospan_rate_limited: }}
          default: {trace_id_ratio_based: {ratio: 0.125}}
        """

    def test_rules(self, file):
        found = configured(NANOSPANS, with_sampler(file, self.RULES))
        description = found.report["description"]
        assert description.startswith("ParentBased{root:RuleBased{")
        for part in ("GET /health", "ConsistentProbability{0.5", "RateLimited{100/s", "TraceIdRatioBased{0.125}"):
            assert part in description
        assert found.log == ""

    def test_rules_decide(self, file):
        script = """
from opentelemetry import trace
from opentelemetry.trace import SpanKind
def sampled(name, kind=SpanKind.SERVER, **attributes):
    span = trace.get_tracer("shop.web").start_span(name, kind=kind, attributes=attributes)
    return span.is_recording()
full = {"http.route": "/pay", "tenant": "a", "retries": 3}
import json
print(json.dumps([
    sampled("GET /health", **full), sampled("GET /pay", **full), sampled("GET /pay", SpanKind.CLIENT, **full),
    sampled("GET /pay", **(full | {"http.route": "/"})), sampled("GET /pay", **{"http.route": "/pay", "retries": 3}),
]))
"""
        sampler = self.RULES.replace("ratio: 0.5", "ratio: 1").replace("ratio: 0.125", "ratio: 0.0")
        finished = run(NANOSPANS + CONFIGURE + script, with_sampler(file, sampler))
        assert json.loads(finished.stdout) == [False, True, False, False, False], finished.stderr

    def test_rules_about_the_parent_see_it(self, file):
        with_sampler(file, rules("{parent: remote, sampler: {nanospan_rate_limited: }}"))
        report = configured(NANOSPANS, file).report
        assert report["sampler"] == "RuleBased"

    def test_always_record_is_around_the_parent_based(self, file):
        with_sampler(file, "nanospan_always_record: {root: {nanospan_probability: {ratio: 0.25}}}")
        description = configured(NANOSPANS, file).report["description"]
        assert description.startswith("AlwaysRecord")
        assert "ParentBased{root:ConsistentProbability{0.25" in description

    def test_two_nodes_of_one_sampler_have_their_own_properties(self, file):
        with_sampler(
            file,
            """
            parent_based:
              root: {nanospan_probability: {ratio: 0.25}}
              remote_parent_sampled: {nanospan_probability: {ratio: 0.75}}
            """,
        )
        found = configured(NANOSPANS, file)
        assert found.report["description"].startswith("ParentBased{root:ConsistentProbability{0.25")
        assert "remoteParentSampled:ConsistentProbability{0.75" in found.report["description"]
        assert found.log == ""

    DROPPED = "The SDK's configurator drops the properties that a configuration file gives"

    @pytest.mark.parametrize(
        ("node", "description"),
        [
            ("nanospan_probability: {ratio: 0.25}", "ConsistentProbability{1"),
            ("nanospan_rate_limited: {traces_per_second: 7}", "RateLimited{100/s"),
            ("nanospan_adaptive: {target_spans_per_second: 250}", "Adaptive{1000"),
            ("nanospan_overhead_budget: {cpu_fraction: 0.05}", "OverheadBudget{0.02"),
        ],
    )
    def test_the_sdks_configurator_drops_the_properties(self, file, node, description):
        found = configured(THE_SDKS, with_sampler(file, node))
        assert found.report["description"].startswith(f"ParentBased{{root:{description}")
        assert found.log.count(self.DROPPED) == 1
        assert "OTEL_PYTHON_CONFIGURATOR=nanospan keeps them" in found.log
        assert node.partition(":")[0] in found.log

    @pytest.mark.parametrize(
        ("node", "words"),
        [
            (rules("{name: a, sampler: {always_off: }}"), "nanospan_rule_based: default must be given"),
            ("nanospan_always_record: {root: {always_on: }}", "nanospan_always_record: root must be given"),
        ],
    )
    def test_a_sampler_that_needs_its_properties_is_refused_by_the_sdks_configurator(self, file, node, words):
        assert words in refusal(THE_SDKS, with_sampler(file, node))

    def test_a_file_that_no_variable_names(self, file):
        script = f"""
from opentelemetry.configuration import configure_sdk, load_config_file
configure_sdk(load_config_file({str(with_sampler(file, "nanospan_probability: {ratio: 0.25}"))!r}))
"""
        finished = run(script + REPORT, None)
        report = json.loads(finished.stdout.splitlines()[-1])
        assert report["description"].startswith("ParentBased{root:ConsistentProbability{1")
        assert finished.stderr.count(self.DROPPED) == 1

    def test_the_standards_probability_which_the_package_refuses(self, file):
        with_sampler(file, "parent_based: {root: {probability/development: {ratio: 0.25}}}")
        assert "Unsupported sampler type" in refusal(THE_SDKS, file)
        description = configured(NANOSPANS, file).report["description"]
        assert description.startswith("ParentBased{root:ConsistentProbability{0.25")

    @pytest.mark.parametrize(
        ("node", "description"),
        [
            ("always_off:", "AlwaysOffSampler"),
            ("trace_id_ratio_based: {ratio: 0.25}", "TraceIdRatioBased{0.25}"),
            ("parent_based:", "ParentBased{root:AlwaysOnSampler"),
            ("composite/development: {always_on: }", "ComposableAlwaysOn"),
        ],
    )
    def test_the_samplers_of_the_standard_stay_what_they_are(self, file, node, description):
        with_sampler(file, node)
        found = configured(NANOSPANS, file).report["description"]
        assert found.startswith(description)
        assert found == configured(THE_SDKS, file).report["description"]

    @pytest.mark.parametrize(
        ("node", "words"),
        [
            ("nanospan_probability: {ratio: 1.5}", ["nanospan_probability: ", "ratio"]),
            ("nanospan_probability: {ratio: often}", ["nanospan_probability: ", "ratio"]),
            ("nanospan_probability: {rate: 0.5}", ["nanospan_probability: 'rate' is not one of its properties: ratio, "]),
            ("nanospan_rate_limited: {traces_per_second: -1}", ["nanospan_rate_limited: ", "traces_per_second"]),
            ("nanospan_rule_based: {rules: []}", ["nanospan_rule_based: default must be given"]),
            ("nanospan_rule_based: {default: {always_on: }}", ["nanospan_rule_based: rules must be a list"]),
            ("nanospan_rule_based: {rules: [], default: always_on}", ["nanospan_rule_based: default must be a sampler"]),
            (rules("{name: a}"), ["nanospan_rule_based: a rule must have a sampler"]),
            (rules("a"), ["rules must be mappings, not str"]),
            (rules("{path: a, sampler: {always_on: }}"), ["'path' is not a property of a rule"]),
            (rules("{kind: x, sampler: {always_on: }}"), ["kind of a rule must be of internal, server"]),
            (rules("{attributes: {a: {some: true}}, sampler: {always_on: }}"), ["attribute 'a' of a rule must be a value"]),
            (rules("{attributes: {a: }, sampler: {always_on: }}"), ["attribute 'a' of a rule has no value"]),
            (rules("{sampler: {nanospan_probability: {ratio: 2}}}"), ["nanospan_probability: ", "ratio"]),
            ("nanospan_always_record:", ["nanospan_always_record: root must be given"]),
        ],
    )
    def test_wrong_properties_are_refused_by_name(self, file, node, words):
        last = refusal(NANOSPANS, with_sampler(file, node))
        for word in words:
            assert word in last

    def test_properties_that_a_later_sdk_hands_over_are_used(self, caplog):
        from nanospan.sampling.configuration import declarative

        (entry,) = entry_points(group="opentelemetry_sampler", name="nanospan_rate_limited")
        assert entry.load() is declarative.rate_limited
        assert "RateLimited{7/s" in entry.load()(traces_per_second=7).get_description()
        assert caplog.messages == []

    def test_every_sampler_of_the_file_is_an_entry_point(self):
        from nanospan.sampling.configuration.nodes import MAKERS

        assert {entry.name for entry in entry_points(group="opentelemetry_sampler")} >= set(MAKERS)
