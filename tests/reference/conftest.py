"""The source distributions of the reference packages: they carry the tests that their wheels leave out."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest


@pytest.fixture
def reference_sdist(tmp_path: Path) -> Callable[[str], Path]:
    """Gives the unpacked source of the installed release of a package, fetched with pip; skips where that fails.

    ``NANOSPAN_SDISTS`` may name a folder that already holds sdists.
    """

    def unpack(package: str) -> Path:
        wanted = f"{package.replace('-', '_')}-{version(package)}"
        kept = Path(os.environ.get("NANOSPAN_SDISTS") or tmp_path / "sdists")
        archive = kept / f"{wanted}.tar.gz"
        if not archive.exists():
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
            fetched = subprocess.run(
                [*command, "--dest", str(kept), f"{package}=={version(package)}"], capture_output=True, text=True
            )
            if fetched.returncode or not archive.exists():
                pytest.skip(f"the sdist of {package} cannot be fetched: {fetched.stderr.strip()[-200:]}")
        with tarfile.open(archive) as tar:
            tar.extractall(tmp_path, filter="data")
        return tmp_path / wanted

    return unpack
