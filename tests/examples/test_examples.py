"""Each example runs by the two commands of its README, in an environment of its own, and shows the trace of the page."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from examples.programs import EXAMPLES, Readme, Terminal, each_example, end, environment_of, names_in, tree
from support.accounting import WAIT
from support.extra_packages import Collector, Environment
from support.type_checkers import TypeCheckers, kept_by_mypy


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@each_example
def test_two_commands_show_the_trace_of_the_page(
    name: str, request: pytest.FixtureRequest, collector: Collector, tmp_path: Path
) -> None:
    readme = Readme.of(name)
    terminal = Terminal(name, environment_of(request.config, name), collector, tmp_path)
    terminal.run(readme.install)
    if readme.ask is None:
        printed = terminal.run(readme.start)
    else:
        server = terminal.start(readme.start)
        try:
            terminal.ask(readme.ask)
            collector.store.wait_for_spans(len(readme.tree), WAIT)
        finally:
            printed = end(server)
    assert "Traceback" not in printed
    spans = collector.every_span()
    assert tree(spans) == readme.tree, printed
    assert len({span.trace_id for span in spans}) == 1


@each_example
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_type_checkers_find_no_error(
    name: str, checker: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = environment_of(request.config, name)
    checkers = TypeCheckers(kept_by_mypy(request.config, tmp_path_factory), environment.python)
    # From the folder of the program, as its imports do.
    files = sorted((EXAMPLES / name).rglob("*.py"), key=lambda file: len(file.parts))
    assert checkers.check(checker, *files, folder=EXAMPLES / name) == []


def test_the_receivers_command_shows_what_the_pages_show(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    environment: Environment = environment_of(request.config, "script")
    with subprocess.Popen(
        [environment.python, "-m", "nanospan.cli", "receive", "--http-port", "0", "--no-grpc"],
        stdout=subprocess.PIPE,
        text=True,
    ) as receive:
        assert receive.stdout is not None
        port = re.search(r":(\d+)/v1/traces", receive.stdout.readline())
        try:
            assert port is not None
            with Collector() as unused:
                terminal = Terminal("script", environment, unused, tmp_path)
            terminal.variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{port[1]}"
            terminal.run(Readme.of("script").start)
        finally:
            shown = end(receive)
    assert names_in(shown.splitlines()) == Readme.of("script").tree


@each_example
def test_each_example_is_at_most_a_page(name: str) -> None:
    for file in (EXAMPLES / name).rglob("*"):
        assert file.is_dir() or file.suffix == ".pyc" or len(file.read_text(encoding="utf-8").splitlines()) <= 50, file


@pytest.mark.skipif(not EXAMPLES.exists(), reason="examples/ is not beside these tests")
def test_every_example_is_in_the_list() -> None:
    listed = re.findall(r"^\| \[[^\]]+\]\(([\w-]+)/README\.md\)", (EXAMPLES / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
