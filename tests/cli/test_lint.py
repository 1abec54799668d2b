"""nanospan lint on source code: files and folders, choice of rules, forms and exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("click", reason="click is not installed")
pytest.importorskip("rich", reason="rich is not installed")

from click.testing import CliRunner, Result

from nanospan.cli.commands import nanospan as command

LOOP = """\
raise SystemExit("the code under test is not run")

for order in orders:
    with tracer.start_as_current_span(f"order {order.id}") as span:
        span.set_attribute("http.method", "GET")
"""
FINE = """\
with tracer.start_as_current_span("orders") as span:
    span.set_attribute("shop.orders", len(orders))
"""


def lint(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, ["lint", *map(str, arguments)])


def rules(result: Result) -> list[str]:
    return [one["rule"] for one in json.loads(result.stdout)["findings"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop" / "orders").mkdir(parents=True)
    (tmp_path / "shop" / "orders" / "loop.py").write_text(LOOP)
    (tmp_path / "shop" / "fine.py").write_text(FINE)
    (tmp_path / "shop" / "notes.txt").write_text(LOOP)
    (tmp_path / "shop" / "node_modules").mkdir()
    (tmp_path / "shop" / "node_modules" / "loop.py").write_text(LOOP)
    return tmp_path / "shop"


def test_json_has_each_finding_of_a_folder(folder: Path) -> None:
    result = lint(folder, "--json")
    assert result.exit_code == 1
    findings: list[dict[str, Any]] = json.loads(result.stdout)["findings"]
    assert [list(one) for one in findings] == [["rule", "path", "line", "column", "message"]] * 3
    places = [(one["rule"], one["line"], one["column"]) for one in findings]
    assert places == [("L1", 4, 10), ("L3", 4, 39), ("deprecated", 5, 28)]
    assert {one["path"] for one in findings} == {str(folder / "orders" / "loop.py")}
    assert "start one span around the loop" in findings[0]["message"]


def test_no_findings_end_with_0(folder: Path) -> None:
    result = lint(folder / "fine.py")
    assert (result.exit_code, result.stdout) == (0, "0 findings\n")
    assert lint(folder / "fine.py", "--json").stdout.split() == ["{", '"findings":', "[]", "}"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--select", "L1"], ["L1"]),
        (["--select", "L1,deprecated"], ["L1", "deprecated"]),
        (["--select", "L1", "--select", "L3"], ["L1", "L3"]),
        (["--ignore", "L1"], ["L3", "deprecated"]),
        (["--select", "L1,L3", "--ignore", "L1"], ["L3"]),
        (["--ignore", "L1,L3,deprecated"], []),
    ],
)
def test_rules_can_be_chosen(folder: Path, options: list[str], expected: list[str]) -> None:
    result = lint(folder, "--json", *options)
    assert rules(result) == expected
    assert result.exit_code == (1 if expected else 0)


def test_a_file_that_is_no_python_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text("print 'a'\n")
    (tmp_path / "deep.py").write_text(f"with tracer.start_as_current_span({' + '.join(['name'] * 1500)}): pass\n")
    assert rules(lint(tmp_path, "--json")) == ["syntax", "syntax"]
    assert lint(tmp_path, "--ignore", "syntax").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument"),
        (["missing.py"], "missing.py does not exist"),
        ([".", "--select", "L9"], "--select L9: there is no such rule; there are L1, L2, L3, L4, L5, deprecated, syntax"),
        ([".", "--ignore", ""], "--ignore : there is no such rule"),
        ([".", "--semconv", "--select", "L1"], "--semconv has --check"),
    ],
)
def test_wrong_arguments_end_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = lint(*arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_a_known_finding_is_left_out_though_it_moved(folder: Path, tmp_path: Path) -> None:
    baseline = tmp_path / "known.json"
    assert lint(folder, "--write-baseline", baseline).exit_code == 0
    (folder / "orders" / "loop.py").write_text("# A comment.\n" + LOOP)
    assert rules(lint(folder, "--json", "--baseline", baseline)) == []
