"""The fuzz targets of the bindings over their seeds and inputs of Hypothesis: no fuzzer is needed.

`make fuzz` runs the same targets under atheris, guided by coverage."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.selection.examples import examples

FUZZ = Path(__file__).parent
NO_TARGETS = {"__init__", "draw", "run"}
TARGETS = sorted({path.stem for path in FUZZ.glob("*.py")} - {path.stem for path in FUZZ.glob("test_*.py")} - NO_TARGETS)


def loaded(name: str) -> ModuleType:
    target = importlib.import_module(f"fuzz.{name}")
    if missing := getattr(target, "MISSING", ""):
        pytest.skip(missing)
    return target


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    target = loaded(name)
    seeds = sorted((FUZZ / "corpus" / name).iterdir())
    assert seeds
    for seed in seeds:
        target.check(seed.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_other_inputs(name: str) -> None:
    target = loaded(name)

    @settings(max_examples=examples(300), database=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=200))
    def run(data: bytes) -> None:
        target.check(data)

    run()
