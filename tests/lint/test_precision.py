"""The findings in twenty packages of the registry, each of which was judged by reading the code.

``precision/packages.txt`` names the packages: of those that call the tracing API of OpenTelemetry, and were looked at, the
ones with the most such calls. ``precision/judged.tsv`` has each finding. A verdict is `true` if the finding holds: the
number of spans, names, events or attributes grows with what the code shown does not bound. Their tests are left out.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from nanospan.contract.conventions import Conventions
from nanospan.lint.sources import lint_sources
from nanospan.lint.spans.rules import RULES

DATA = Path(__file__).parent / "precision"
PACKAGES = (DATA / "packages.txt").read_text(encoding="utf-8").split()
TESTS = {"test", "tests", "testing"}


def judged() -> list[dict[str, str]]:
    with (DATA / "judged.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_at_least_95_of_100_findings_hold() -> None:
    verdicts = [one["verdict"] for one in judged()]
    assert len(PACKAGES) == 20
    assert set(verdicts) <= {"true", "false"}
    assert verdicts.count("true") >= 0.95 * len(verdicts)


@pytest.fixture(scope="module")
def sources(request: pytest.FixtureRequest) -> Path:
    """A folder with the sources of the packages, in a folder each, kept in pytest's cache."""
    folder = request.config.cache.mkdir("linted-packages")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--retries", "1"]
    options = ["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder / "wheels")]
    for package in PACKAGES:
        name = package.partition("==")[0]
        if (folder / "sources" / package).exists():
            continue
        run = subprocess.run([*pip, *options, package], capture_output=True, text=True, check=False)
        if run.returncode:
            reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
            pytest.skip(f"{package} cannot be downloaded: {reason}")
        wheel = next((folder / "wheels").glob(f"{name.replace('-', '_')}-*.whl"))
        unpacked = folder / "sources" / f".{package}"
        with zipfile.ZipFile(wheel) as file:
            file.extractall(unpacked, [one for one in file.namelist() if one.endswith(".py")])
        unpacked.rename(folder / "sources" / package)
        wheel.unlink()
    return folder / "sources"


@pytest.mark.slow("downloads twenty packages")
@pytest.mark.timeout(600)
def test_the_findings_are_those_that_were_judged(sources: Path) -> None:
    found = []
    for package in PACKAGES:
        for one in lint_sources([str(sources / package)], Conventions(), RULES):
            path = Path(one.path).relative_to(sources / package)
            if TESTS.isdisjoint(path.parts):
                found.append((package.partition("==")[0], path.as_posix(), str(one.line), one.rule))
    assert sorted(found) == sorted((one["package"], one["path"], one["line"], one["rule"]) for one in judged())
