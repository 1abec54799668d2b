"""Findings: what is found besides names, how it is counted and reported, and that all of it is bounded."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind

from nanospan.contract.conventions import (
    CHECKS,
    DEFAULT_CHECKS,
    LEVELS,
    Cardinality,
    Checker,
    Conventions,
    Findings,
    check_baggage,
)
from nanospan.contract.conventions import _findings as bounds
from nanospan.contract.conventions._cardinality import EXACT, MAX_SKETCHES, Sketch

SERVER, CLIENT, INTERNAL = SpanKind.SERVER.value, SpanKind.CLIENT.value, SpanKind.INTERNAL.value
REQUESTS = InstrumentationScope("opentelemetry.instrumentation.requests", "0.66b2")


def found(conventions: Conventions, key: str, value: Any) -> list[str]:
    return [finding for finding, _ in Checker(conventions).check_span("", "", INTERNAL, {key: value})]


@pytest.mark.parametrize(
    ("key", "value", "finding"),
    [
        ("http.response.status_code", "200", "type_mismatch"),
        ("http.response.status_code", True, "type_mismatch"),
        ("http.response.status_code", 200.0, "type_mismatch"),
        ("http.response.status_code", 200, None),
        ("http.request.method", 1, "type_mismatch"),
        ("http.request.header.x_Y-1", "text", "type_mismatch"),
        ("http.request.header.x_Y-1", ["text"], None),
        ("http.request.header.x", ("text", None), None),
        ("aws.ecs.task.revision", "1", None),
        ("hw.battery.capacity", ["1"], "type_mismatch"),
        ("gen_ai.request.temperature", 1, None),
        ("http.request.method", "BREW", "undefined_enum_variant"),
        ("http.request.method", "GET", None),
        ("http.request.method", "_OTHER", None),
        ("error.type", "ValueError", None),
        ("cpu.mode", "kernel", "deprecated"),
        ("Shop.id", 1, "invalid_format"),
        ("shop..id", 1, "invalid_format"),
        ("shop.id_", 1, "invalid_format"),
        ("shop-id", 1, "invalid_format"),
        ("2nd", 1, "invalid_format"),
        ("shöp", 1, "invalid_format"),
        ("", 1, "invalid_format"),
        ("shop.id", 1, None),
        ("http.request.method.of_mine", 1, "illegal_namespace"),
        ("otel.mine", 1, "illegal_namespace"),
        ("otel.scope.name", "a", None),
        ("messaging.destination.of_mine", 1, None),
        ("thread.id", 1, None),
    ],
)
def test_types_values_and_forms(key: str, value: Any, finding: str | None) -> None:
    assert found(Conventions(), key, value) == [finding] * (finding is not None)


@pytest.mark.parametrize(
    ("check", "key"),
    [
        ("missing_namespace", "mine"),
        ("extends_namespace", "http.mine"),
        ("template_attribute", "http.request.header.x"),
        ("not_stable", "thread.id"),
    ],
)
def test_findings_that_are_asked_for(check: str, key: str) -> None:
    assert check not in found(Conventions(), key, ["1"])
    assert found(Conventions(checks=[check]), key, ["1"]) == [check]
    assert LEVELS[check] != "violation"


def test_ones_own_namespaces() -> None:
    conventions = Conventions(namespaces=["com.acme", "shop."])
    for key in ("com.acme.id", "shop.id", "shop", "http.route", "http.request.header.x"):
        assert "missing_attribute" not in found(conventions, key, "1")
    for key in ("com.acmeid", "id", "http.mine", "com.other"):
        assert found(conventions, key, "1") == ["missing_attribute"]


PATHS = [
    ("/health", False),
    ("/users/me", False),
    ("/users/{id}", False),
    ("/users/<int:id>/7", False),
    ("/users/:id/7", False),
    ("/files/*/7", False),
    (r"/users/(?P<id>\d+)", False),
    ("/v2/orders", False),
    ("/users/42", True),
    ("/o/0b7f5e3a-9a52-4b1f-8a51-2f1d5f0c9c11", True),
    ("/o/9f86d081884c7d65", True),
    ("/o/deadbeefdeadbeef", True),
    ("/t/eyJhbGciOiJIUzI1NiIsInR5", True),
    ("/u/max@example.org", True),
    ("/u/max%40example.org", True),
    ("/on/2026-11-30", True),
    ("/at/2026-11-30T10:00:00Z", True),
    ("/x/" + "a" * 200, True),
    ("/x/" + "a@" * 3000, True),
]


@pytest.mark.parametrize(("path", "has_value"), PATHS)
def test_paths_in_routes_and_names(path: str, has_value: bool) -> None:
    expected = ["concrete_path"] * has_value
    checker = Checker(Conventions())
    for name in (path, f"GET {path}", f"POST https://host:8080{path}"):
        assert [one for one, key in checker.check_span("", name, CLIENT, {}) if key == "span name"] == expected
        assert checker.check_span("", name, INTERNAL, {}) == []
    for key in ("url.path", "http.target"):
        attributes = {"http.route": path, key: f"{path}?q=1" if key == "http.target" else path}
        assert [one for one, at in checker.check_span("", "GET", SERVER, attributes) if at == "http.route"] == expected
    # The framework's own word for it, which the path of this request does not equal, is a route.
    assert checker.check_span("", "GET", SERVER, {"http.route": path, "url.path": "/else"}) == []


def test_a_name_that_repeats_the_route_is_not_found_twice() -> None:
    attributes = {"http.route": "/users/42", "url.path": "/users/42"}
    checker = Checker(Conventions())
    assert checker.check_span("", "GET /users/42", SERVER, attributes) == [("concrete_path", "http.route")]
    assert checker.check_names("", "GET /users/42", SERVER, attributes) == [("concrete_path", "http.route")]


def test_too_many_different_names() -> None:
    checker = Checker(Conventions())
    for number in range(200):
        assert checker.check_span("a", f"order {number}", INTERNAL, {}) == []
    assert checker.check_span("b", "order", INTERNAL, {}) == []
    assert checker.check_span("a", "order 0", INTERNAL, {}) == []
    for number in range(200, 1000):
        assert checker.check_span("a", f"order {number}", INTERNAL, {}) == [("too_many_values", "span name")]
    assert checker.cardinality.counts()["b", "span name"] == 1
    assert 850 < checker.cardinality.counts()["a", "span name"] < 1150


@given(st.sets(st.text(max_size=20), max_size=EXACT))
def test_a_sketch_is_exact_at_first(texts: set[str]) -> None:
    sketch = Sketch()
    for text in [*texts, *texts]:
        sketch.add(text)
    assert len(sketch) == len(texts)


@pytest.mark.parametrize("count", [257, 1000, 5000, 100_000])
def test_a_sketch_estimates_then(count: int) -> None:
    sketch = Sketch()
    for number in range(count):
        sketch.add(f"name {number}")
    # Five standard errors of 1,024 registers.
    assert abs(len(sketch) - count) < 0.17 * count


def test_sketches_are_bounded() -> None:
    cardinality = Cardinality()
    for number in range(2 * MAX_SKETCHES):
        cardinality.add(str(number), "key", "value")
    assert len(cardinality.counts()) == MAX_SKETCHES


def test_limits_that_are_reached() -> None:
    checker = Checker(Conventions())
    pairs = checker.check_span(REQUESTS, "big", INTERNAL, {}, dropped=(3, 0, 1))
    assert pairs == [("limit_reached", "attributes of big"), ("limit_reached", "links of big")]
    (first, _) = checker.findings.report()
    assert (first.scope, first.version, first.key) == (REQUESTS.name, REQUESTS.version, "attributes of big")
    assert "limit of attributes of big" in first.hint


def test_counts_by_scope_version_and_key() -> None:
    findings = Findings(Conventions())
    older = InstrumentationScope(REQUESTS.name, "0.60b0")
    for scope, times in ((REQUESTS, 3), (older, 2), (None, 1), ("shop", 4)):
        for _ in range(times):
            findings.add("deprecated", scope, "http.method")
    findings.add("type_mismatch", REQUESTS, "http.response.status_code")
    assert [(one.scope, one.version, one.id, one.count) for one in findings.report()] == [
        ("", "", "deprecated", 1),
        (REQUESTS.name, "0.60b0", "deprecated", 2),
        (REQUESTS.name, "0.66b2", "deprecated", 3),
        (REQUESTS.name, "0.66b2", "type_mismatch", 1),
        ("shop", "", "deprecated", 4),
    ]
    assert findings.totals() == {"deprecated": 10, "type_mismatch": 1}
    assert findings.as_dicts()[0].keys() == {"id", "level", "scope", "version", "key", "count", "hint"}
    findings.clear()
    assert findings.report() == []


def test_one_key_with_several_findings() -> None:
    findings = Findings()
    for finding in ("type_mismatch", "undefined_enum_variant", "type_mismatch", "undefined_enum_variant", "deprecated"):
        findings.add(finding, REQUESTS, "cpu.mode")
    assert findings.totals() == {"deprecated": 1, "type_mismatch": 2, "undefined_enum_variant": 2}


@pytest.mark.parametrize("times", [3, 3 * bounds.MAX_SCOPES])
def test_equal_scopes_are_one(times: int) -> None:
    findings = Findings()
    for _ in range(times):
        findings.add("deprecated", "".join(["sh", "op"]), "http.method")
        findings.add("deprecated", InstrumentationScope("lib", "1"), "http.method")
    assert [(one.scope, one.count) for one in findings.report()] == [("lib", times), ("shop", times)]


def test_findings_are_bounded_and_none_is_lost() -> None:
    findings = Findings()
    scopes = [InstrumentationScope(f"scope {number}") for number in range(2 * bounds.MAX_SCOPES)]
    for scope in scopes:
        findings.add("deprecated", scope, "http.method")
    for number in range(2 * bounds.MAX_KEYS):
        findings.add("invalid_format", scopes[0], f"Key {number}")
    report = findings.report()
    assert len(report) <= bounds.MAX_SCOPES + 1 + bounds.MAX_KEYS + 1
    assert findings.totals() == {"deprecated": len(scopes), "invalid_format": 2 * bounds.MAX_KEYS}
    assert {one.scope for one in report} >= {bounds.OTHER} and {one.key for one in report} >= {bounds.OTHER}


WARNED = [
    (REQUESTS, "http.method", "'http.request.method'. Start the process with OTEL_SEMCONV_STABILITY_OPT_IN=http (http/dup"),
    (InstrumentationScope("opentelemetry.instrumentation.redis"), "db.statement", "OTEL_SEMCONV_STABILITY_OPT_IN=database"),
    (InstrumentationScope("opentelemetry.instrumentation.pymongo"), "net.peer.name", "has no switch for it: use the mode"),
    (InstrumentationScope("opentelemetry.instrumentation.celery"), "messaging.destination", "has no switch for it: use the"),
    (InstrumentationScope("shop"), "http.method", "Set the new name where shop sets this one, or use the mode 'rename'"),
    (
        InstrumentationScope("nanospan.messaging"),
        "messaging.system",
        "nanospan gives the names of an older version: use the",
    ),
    (InstrumentationScope("(resource)"), "deployment.environment", "Set the new name where the resource sets this one, or"),
    (InstrumentationScope("shop"), "db.user", "it has no new name. Leave it out where shop sets this one."),
    (InstrumentationScope("shop"), "code.function", "Set the new name where shop sets this one."),
]


@pytest.mark.parametrize(("scope", "key", "expected"), WARNED)
def test_warns_once_of_a_scope_and_key_and_says_what_mends_it(
    scope: InstrumentationScope, key: str, expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    findings = Findings(Conventions(mode="warn"))
    for each in (scope, scope, InstrumentationScope(scope.name, "another version"), scope.name):
        findings.add("deprecated", each, key)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert scope.name in record.getMessage() and f"{key!r} is deprecated" in record.getMessage()
    assert expected in record.getMessage()


def test_what_is_not_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    Findings(Conventions()).add("deprecated", REQUESTS, "http.method")
    findings = Findings(Conventions(mode="warn"))
    findings.add("undefined_enum_variant", REQUESTS, "http.request.method")
    findings.add("deprecated", REQUESTS, "exception.escaped")
    assert caplog.records == []
    assert [one.level for one in findings.report()] == ["information", "information"]


def test_warnings_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    findings = Findings(Conventions(mode="warn"))
    for number in range(bounds.MAX_WARNINGS + 10):
        findings.add("deprecated", InstrumentationScope(f"scope {number % 200}"), f"old.{number}")
    assert len(caplog.records) == bounds.MAX_WARNINGS + 1


BAGGAGE = [
    ({"tenant": "acme", "trace.id": "4bf92f3577b34da6a3ce929d0e0e4736"}, []),
    ({"user.email": "x"}, [("baggage_personal_data", "user.email")]),
    ({"userEmail": "x"}, [("baggage_personal_data", "userEmail")]),
    ({"FIRST_NAME": "x"}, [("baggage_personal_data", "FIRST_NAME")]),
    ({"contact": "max@example.org"}, [("baggage_personal_data", "contact")]),
    ({"contact": "max%40example.org"}, [("baggage_personal_data", "contact")]),
    ({"pay": "4111-1111-1111-1111"}, [("baggage_personal_data", "pay")]),
    ({"order": "4111111111111112"}, []),
    ({f"k{number}": "" for number in range(65)}, [("baggage_limit", "65 entries, 315 bytes")]),
    ({"k": "v" * 8192}, [("baggage_limit", "1 entries, 8195 bytes")]),
]


@pytest.mark.parametrize(("baggage", "expected"), BAGGAGE)
def test_baggage(baggage: dict[str, str], expected: list[tuple[str, str]]) -> None:
    assert check_baggage(baggage) == expected


def test_baggage_that_grows() -> None:
    few, many = {"k": "v"}, {f"k{number}": "v" for number in range(10)}
    assert check_baggage(many, few) == [("baggage_growth", "9 entries, 46 bytes")]
    assert check_baggage({"k": "v" * 2000}, few) == [("baggage_growth", "0 entries, 1999 bytes")]
    assert check_baggage(many, many) == check_baggage(few, many) == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"version": "1.46"}, ValueError, "version must be a version from 1.21 to 1.45, as '1.45', not '1.46'"),
        ({"version": "1.20"}, ValueError, "version must be"),
        ({"version": "new"}, ValueError, "version must be"),
        ({"version": 1.45}, TypeError, "version must be"),
        ({"mode": "both"}, ValueError, "mode must be one of count, warn, rename, dup, not 'both'"),
        ({"mode": None}, TypeError, "mode must be one of count, warn, rename, dup, not None"),
        ({"namespaces": "com.acme"}, TypeError, "namespaces must be a collection of strings, not str"),
        ({"namespaces": [""]}, ValueError, r"namespaces\[0\] must not be empty"),
        ({"namespaces": ["."]}, ValueError, "namespaces must be names as 'com.acme'"),
        ({"checks": ["typo"]}, ValueError, "checks must be of deprecated, .*, not 'typo'"),
        ({"checks": []}, ValueError, "checks must not be empty"),
        ({"checks": ["missing_attribute"]}, ValueError, "without namespaces"),
    ],
)
def test_refuses_wrong_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Conventions(**arguments)


def test_the_variable(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    variable = "OTEL_PYTHON_NANOSPAN_SEMCONV"
    monkeypatch.delenv(variable, raising=False)
    assert Conventions.from_environment() is None
    for value in ("count", "warn", "Rename", " dup "):
        monkeypatch.setenv(variable, value)
        conventions = Conventions.from_environment()
        assert conventions is not None and conventions.mode == value.strip().lower()
    assert caplog.records == []
    monkeypatch.setenv(variable, "both")
    assert Conventions.from_environment() is None
    assert "write one of count, warn, rename, dup" in caplog.text


def test_every_check_has_a_level_and_the_default_ones_exist() -> None:
    assert set(DEFAULT_CHECKS) <= set(CHECKS) <= LEVELS.keys()
    assert set(LEVELS.values()) == {"violation", "improvement", "information"}
