"""One table of sampler settings, and the three that read it: a number or a JSON object in ``OTEL_TRACES_SAMPLER_ARG``, and a
configuration file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind
from support.declarative_files import sampler_of_file, with_sampler
from support.head_sampling import DROPPED, KEPT

from nanospan.sampling import DEFAULT_ON, ParentBased, Sampler
from nanospan.sampling.configuration.environment import known_sampler

pytestmark = pytest.mark.usefixtures("clean_environment")

MAIN = {
    "nanospan_probability": "ratio",
    "nanospan_rate_limited": "traces_per_second",
    "nanospan_adaptive": "target_spans_per_second",
    "nanospan_overhead_budget": "cpu_fraction",
}
"""The property that a number stands for."""

UNSET = {
    "nanospan_probability": "ParentBased{root:ConsistentProbability{1.0,",
    "nanospan_rate_limited": "ParentBased{root:RateLimited{100/s}",
    "nanospan_adaptive": "ParentBased{root:Adaptive{1000 spans/s}",
    "nanospan_overhead_budget": "ParentBased{root:OverheadBudget{0.02}",
}
"""What the samplers are without an argument."""

UNSET_AMOUNT = {
    "nanospan_probability": "1 (share of the traces)",
    "nanospan_rate_limited": "100 (traces a second)",
    "nanospan_adaptive": "1000 (spans a second)",
    "nanospan_overhead_budget": "0.02 (share of the CPU)",
}

Reader = Callable[[str, Any], Sampler]
NUMBER, JSON, FILE = "number", "json", "file"
HAS_FILES = find_spec("opentelemetry.configuration") is not None
NEEDS_FILES = pytest.mark.skipif(not HAS_FILES, reason="opentelemetry-configuration is not installed")
BOTH = [JSON, pytest.param(FILE, marks=NEEDS_FILES)]


@pytest.fixture
def read(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Reader:
    """Makes the sampler ``name`` of its properties, as the reader does that the parameter names."""
    reader = request.param

    def from_variable(name: str, properties: Any) -> Sampler:
        text = properties if isinstance(properties, str) else json.dumps(properties)
        if reader == NUMBER and isinstance(properties, Mapping):
            text = repr(properties[MAIN[name]]) if properties else ""
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", text)
        sampler = known_sampler()
        assert sampler is not None
        return sampler

    def from_file(name: str, properties: Any) -> Sampler:
        # A JSON object is YAML.
        return sampler_of_file(with_sampler(tmp_path / "otel.yaml", f"{name}: {json.dumps(properties)}"))

    return from_file if reader == FILE else from_variable


def each_reader(settings: list[tuple[str, Any, str]]) -> list[Any]:
    """``settings`` before every reader that can read them."""
    cases = []
    for name, properties, expected in settings:
        readers = [JSON, FILE]
        if name in MAIN and set(properties) <= {MAIN[name]}:
            readers.append(NUMBER)
        for reader in readers:
            marks = [NEEDS_FILES] if reader == FILE else []
            case = f"{reader}-{name}-{json.dumps(properties)}"
            cases.append(pytest.param(reader, name, properties, expected, id=case, marks=marks))
    return cases


def rules(*several: Any, default: Any = None) -> dict[str, Any]:
    return {"rules": list(several), "default": default or {"always_on": {}}}


SETTINGS: list[tuple[str, Any, str]] = [
    *((name, {}, description) for name, description in UNSET.items()),
    *((name, {main: 0}, "ParentBased{root:AlwaysOffSampler") for name, main in MAIN.items()),
    *((name, {main: 0.0}, "ParentBased{root:AlwaysOffSampler") for name, main in MAIN.items()),
    ("nanospan_probability", {"ratio": 0.25}, "ParentBased{root:ConsistentProbability{0.25,th:c}"),
    ("nanospan_probability", {"ratio": 2**-56}, "ParentBased{root:ConsistentProbability{1.38"),
    ("nanospan_probability", {"ratio": 1}, "ParentBased{root:ConsistentProbability{1"),
    ("nanospan_probability", {"ratio": 0.25, "randomness": "hash"}, "ParentBased{root:ConsistentProbability{0.25"),
    ("nanospan_rate_limited", {"traces_per_second": 7}, "ParentBased{root:RateLimited{7/s}"),
    ("nanospan_rate_limited", {"traces_per_second": 0.001}, "ParentBased{root:RateLimited{0.001/s}"),
    ("nanospan_rate_limited", {"traces_per_second": 1e9}, "ParentBased{root:RateLimited{1e+09/s}"),
    ("nanospan_rate_limited", {"traces_per_second": 7, "burst": 20}, "ParentBased{root:RateLimited{7/s}"),
    ("nanospan_rate_limited", {"traces_per_second": 7, "consistent": True}, "ParentBased{root:RateLimited{7/s,consistent}"),
    ("nanospan_adaptive", {"target_spans_per_second": 250}, "ParentBased{root:Adaptive{250 spans/s}"),
    ("nanospan_adaptive", {"target_spans_per_second": 1e9}, "ParentBased{root:Adaptive{1e+09 spans/s}"),
    ("nanospan_overhead_budget", {"cpu_fraction": 0.05}, "ParentBased{root:OverheadBudget{0.05}"),
    ("nanospan_overhead_budget", {"cpu_fraction": 1}, "ParentBased{root:OverheadBudget{1}"),
    (
        "nanospan_always_record",
        {"root": {"nanospan_probability": {"ratio": 0.25}}},
        "AlwaysRecordSampler{ParentBased{root:ConsistentProbability{0.25",
    ),
    (
        "nanospan_always_record",
        {"root": {"parent_based": {"root": {"always_off": {}}, "remote_parent_sampled": {"nanospan_rate_limited": {}}}}},
        "AlwaysRecordSampler{ParentBased{root:AlwaysOffSampler,remoteParentSampled:RateLimited{100/s}",
    ),
    ("nanospan_always_record", {"root": {"parent_based": {}}}, "AlwaysRecordSampler{ParentBased{root:AlwaysOnSampler,"),
    (
        "nanospan_links_based",
        {"root": {"nanospan_probability": {"ratio": 0.25}}},
        "ParentBased{root:LinksBased{root:ConsistentProbability{0.25,th:c},linkedSampled:AlwaysOnSampler,"
        "linkedNotSampled:AlwaysOffSampler}",
    ),
    (
        "nanospan_links_based",
        {"root": {"always_off": {}}, "linked_sampled": {"nanospan_rate_limited": {}}, "linked_not_sampled": None},
        "ParentBased{root:LinksBased{root:AlwaysOffSampler,linkedSampled:RateLimited{100/s},linkedNotSampled:AlwaysOffSampler}",
    ),
    # A ParentBased would hide every parent from a rule about the parent.
    ("nanospan_rule_based", rules({"parent": "remote", "sampler": {"always_off": {}}}), "RuleBased{[(parent=remote:"),
    ("nanospan_rule_based", rules({"name": "a", "sampler": {"always_off": None}}), "ParentBased{root:RuleBased{[(name=a:"),
    (
        "nanospan_rule_based",
        rules({"scope": "shop.*", "sampler": {"always_off": {}}}, default={"trace_id_ratio_based": {"ratio": 0.125}}),
        "ParentBased{root:RuleBased{[(scope=shop.*:AlwaysOffSampler)],default=TraceIdRatioBased{0.125}",
    ),
]


@pytest.mark.parametrize(("read", "name", "properties", "expected"), each_reader(SETTINGS), indirect=["read"])
def test_settings(read: Reader, caplog: pytest.LogCaptureFixture, name: str, properties: Any, expected: str) -> None:
    assert read(name, properties).get_description().startswith(expected)
    # A file without a property says nothing.
    is_unset = os.environ.get("OTEL_TRACES_SAMPLER_ARG") == ""
    assert caplog.messages == [f"OTEL_TRACES_SAMPLER_ARG is not set; using {UNSET_AMOUNT.get(name)}"] * is_unset


DECIDED = rules(
    {"name": "GET /health", "sampler": {"always_off": {}}},
    {
        "name": "GET /*",
        "kind": ["server", "consumer"],
        "attributes": {"http.route": ["/checkout", "/pay"], "tenant": {"any": True}, "retries": 3},
        "sampler": {"nanospan_probability": {"ratio": 1}},
    },
    {"attributes": {"http.request.header.x-debug": "1"}, "external": True, "sampler": {"nanospan_rate_limited": {}}},
    default={"trace_id_ratio_based": {"ratio": 0.0}},
)
FULL = {"http.route": "/pay", "tenant": "a", "retries": 3}


@pytest.mark.parametrize("read", BOTH, indirect=True)
def test_rules_decide(read: Reader, caplog: pytest.LogCaptureFixture) -> None:
    sampler = read("nanospan_rule_based", DECIDED)
    assert type(sampler) is ParentBased
    for part in ("GET /health", "ConsistentProbability{1", "RateLimited{100/s", "TraceIdRatioBased{0.0}"):
        assert part in sampler.get_description()

    def decision(name: str, attributes: dict[str, Any], kind: SpanKind = SpanKind.SERVER) -> Any:
        return sampler.should_sample(Context(), 1, name, kind, attributes, ()).decision

    assert decision("GET /health", FULL) is DROPPED
    assert decision("GET /pay", FULL) is KEPT
    assert decision("GET /pay", FULL, SpanKind.CLIENT) is DROPPED
    assert decision("GET /pay", FULL | {"http.route": "/"}) is DROPPED
    assert decision("GET /pay", {"http.route": "/pay", "retries": 3}) is DROPPED
    assert decision("GET /", {"http.request.header.x-debug": "1"}) is KEPT
    assert caplog.messages == []


WRONG: list[tuple[str, Any, list[str]]] = [
    ("nanospan_probability", {"ratio": 1.5}, ["ratio"]),
    ("nanospan_probability", {"ratio": "often"}, ["ratio"]),
    ("nanospan_probability", {"ratio": "10%"}, ["ratio"]),
    ("nanospan_probability", {"rate": 0.5}, ["'rate' is not one of its properties: ratio, "]),
    ("nanospan_rate_limited", {"traces_per_second": -1}, ["traces_per_second"]),
    ("nanospan_overhead_budget", {"cpu_fraction": 2}, ["cpu_fraction"]),
    ("nanospan_rule_based", {"rules": []}, ["default must be given"]),
    ("nanospan_rule_based", {"default": {"always_on": {}}}, ["rules must be a list"]),
    ("nanospan_rule_based", {"rules": [], "default": "always_on"}, ["default must be a sampler"]),
    ("nanospan_rule_based", {"rules": [], "default": {"always_on": {}, "always_off": {}}}, ["must be a sampler"]),
    ("nanospan_rule_based", {"rules": [], "default": {"trace_id_ratio_based": {"ratio": 2}}}, ["ratio|rate|range"]),
    ("nanospan_rule_based", rules({"name": "a"}), ["a rule must have a sampler"]),
    ("nanospan_rule_based", rules("a"), ["rules must be mappings, not str"]),
    ("nanospan_rule_based", rules({"path": "a", "sampler": {"always_on": {}}}), ["'path' is not a property of a rule"]),
    ("nanospan_rule_based", rules({"kind": "x", "sampler": {"always_on": {}}}), ["kind of a rule must be of internal"]),
    (
        "nanospan_rule_based",
        rules({"attributes": {"a": {"some": True}}, "sampler": {"always_on": {}}}),
        ["attribute 'a' of a rule must be a value"],
    ),
    (
        "nanospan_rule_based",
        rules({"attributes": {"a": None}, "sampler": {"always_on": {}}}),
        ["attribute 'a' of a rule has no value"],
    ),
    ("nanospan_rule_based", rules({"attributes": {"x-debug": "1"}, "sampler": {"always_on": {}}}), ["flood"]),
    (
        "nanospan_rule_based",
        rules({"sampler": {"nanospan_probability": {"ratio": 2}}}),
        ["nanospan_probability: ", "ratio"],
    ),
    ("nanospan_always_record", {}, ["root must be given"]),
    ("nanospan_always_record", {"root": {"nanospan_probability": 7}}, ["nanospan_probability must have a mapping"]),
    ("nanospan_links_based", {"linked_sampled": {"always_on": {}}}, ["root must be given"]),
    ("nanospan_links_based", {"root": {"always_on": {}}, "linked": {"always_on": {}}}, ["'linked'", "linked_not_sampled"]),
    ("nanospan_links_based", {"root": {"always_on": {}}, "linked_sampled": 7}, ["linked_sampled must be a sampler"]),
]
ONLY_JSON: list[tuple[str, Any, list[str]]] = [
    ("nanospan_rate_limited", "{", ["Expecting"]),
    ("nanospan_rate_limited", '{"traces_per_second": 7', ["Expecting"]),
    ("nanospan_rule_based", "0.5", ["mapping", "0.5"]),
    ("nanospan_rule_based", "{", ["Expecting"]),
    ("nanospan_rule_based", "[" * 100_000, ["JSON array"]),
    ("nanospan_rule_based", {"rules": [], "default": {"luck": {}}}, ["default", "'luck'", "always_on"]),
    ("nanospan_rule_based", {"rules": [], "default": {"always_on": {"ratio": 1}}}, ["'ratio'", "it has none"]),
    ("nanospan_rule_based", {"rules": [], "default": {"always_on": [1]}}, ["always_on must have a mapping"]),
    ("nanospan_rule_based", {"rules": [], "default": {"trace_id_ratio_based": {"ratio": "x"}}}, ["ratio"]),
    ("nanospan_rule_based", {"rules": [], "default": {"parent_based": {"leaf": {"always_on": {}}}}}, ["'leaf'", "root"]),
]
"""What cannot stand in a file, or what the file's schema refuses before."""


@pytest.mark.parametrize("read", [JSON], indirect=True)
@pytest.mark.parametrize(("name", "properties", "words"), WRONG + ONLY_JSON)
def test_wrong_json_counts_as_unset_with_one_warning(
    read: Reader, caplog: pytest.LogCaptureFixture, name: str, properties: Any, words: list[str]
) -> None:
    sampler = read(name, properties)
    if name in UNSET:
        assert sampler.get_description().startswith(UNSET[name])
    else:
        assert sampler is DEFAULT_ON
    (message,) = caplog.messages
    assert message.startswith("OTEL_TRACES_SAMPLER_ARG=")
    assert " is ignored: write " in message
    check_words(message, words)


@NEEDS_FILES
@pytest.mark.parametrize("read", [FILE], indirect=True)
@pytest.mark.parametrize(("name", "properties", "words"), WRONG)
def test_wrong_properties_in_a_file_are_refused(read: Reader, name: str, properties: Any, words: list[str]) -> None:
    from opentelemetry.configuration import ConfigurationError

    with pytest.raises(ConfigurationError) as caught:
        read(name, properties)
    assert str(caught.value).startswith("nanospan_")
    check_words(str(caught.value), words)


def check_words(message: str, words: list[str]) -> None:
    for word in words:
        assert any(one in message for one in word.split("|")), message


NUMBERS = ["much", "nan", "-0.1", "-inf", "inf", "1e30"]
MEANT = {"10%": "0.1", "'0.5'": "0.5", '"0.5"': "0.5", "0,5": "0.5", "0%2E5": "0.5"}
"""What is nearly a number, and what to write in its place."""

WRONG_NUMBERS: list[tuple[str, str, str | None]] = [
    *((name, number, None) for name in (*MAIN, "traceidratio", "parentbased_traceidratio") for number in NUMBERS),
    *((name, *meant) for name in (*MAIN, "traceidratio", "parentbased_traceidratio") for meant in MEANT.items()),
    *((name, "1e-30", None) for name in MAIN),
    ("nanospan_probability", "200%", None),
    ("nanospan_rate_limited", "200%", "2"),
]


@pytest.mark.parametrize("read", [NUMBER], indirect=True)
@pytest.mark.parametrize(("name", "argument", "write"), WRONG_NUMBERS)
def test_a_wrong_number_counts_as_unset_with_one_warning(
    read: Reader, caplog: pytest.LogCaptureFixture, name: str, argument: str, write: str | None
) -> None:
    description = read(name, argument).get_description()
    assert UNSET.get(name, "TraceIdRatioBased{1.0}") in description
    (message,) = caplog.messages
    assert message.startswith(f"OTEL_TRACES_SAMPLER_ARG={argument!r} is ignored: write ")
    assert "(default " in message
    assert (f"write {write}, " in message) == (write is not None)


@pytest.mark.parametrize("read", [JSON], indirect=True)
@pytest.mark.parametrize("name", ["nanospan_rule_based", "nanospan_always_record", "nanospan_links_based"])
def test_no_rules_keep_everything_with_one_warning(read: Reader, caplog: pytest.LogCaptureFixture, name: str) -> None:
    assert read(name, "") is DEFAULT_ON
    assert caplog.messages == [f"OTEL_TRACES_SAMPLER_ARG is not set; using parentbased_always_on in place of {name}"]
