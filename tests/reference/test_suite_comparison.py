"""What the comparison of suites makes of tests that do not pass each time."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

SUITE = '''
import os
from pathlib import Path

import pytest

SIDE = "native" if os.environ["NANOSPAN_IN_PLACE"] == "1" else "stock"


@pytest.mark.parametrize("stock", ["passes", "once", "fails"])
@pytest.mark.parametrize("native", ["passes", "once", "fails"])
def test_it(stock, native):
    """"once": passes in the second run alone."""
    runs = Path(f"{SIDE}-{stock}-{native}")
    runs.write_text(runs.read_text() + "." if runs.exists() else ".")
    outcome = {"stock": stock, "native": native}[SIDE]
    assert outcome == "passes" or (outcome == "once" and len(runs.read_text()) == 2)


def test_that_dies():
    if SIDE == "native":
        os._exit(1)


def test_after_it():
    pass
'''


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.mkdir()
    (source / "test_suite.py").write_text(SUITE)
    return source


def test_a_test_passes_if_it_ever_does(source: Path, compare_suite: Callable) -> None:
    def its(native: str, stock: str) -> str:
        return f"test_suite.py::test_it[{native}-{stock}]"

    suite = compare_suite(source, ["test_suite.py"], [])
    suite.repeat(leave_out=[its("once", "once")], times=1)
    assert suite.differing() == {its("fails", "passes"), its("fails", "once"), "test_suite.py::test_that_dies"}
    assert its("fails", "fails") not in suite.passed_with_stock() >= suite.differing()
    often = {"passes", "once"}
    assert suite.passed_with_both() == {
        *(its(native, stock) for native in often for stock in often - ({"once"} & {native})),
        "test_suite.py::test_after_it",
    }


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="ports cannot be shared")
def test_a_port_is_for_one_suite_alone(source: Path, compare_suite: Callable) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(pytest.skip.Exception, match=f"port {port} of 127.0.0.1 is in use"):
            compare_suite(source, ["test_suite.py"], [], port=port)
    assert len(compare_suite(source, ["test_suite.py"], [], port=port).stock.outcomes) == 11
