"""Nothing needs the metadata of the package at run time: freezers, zip applications and stripped layers leave it out."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nanospan

STRIPPED = """
import importlib.metadata as metadata, pkgutil, importlib
original = metadata.Distribution.from_name.__func__
def stripped(cls, name):
    if name.lower() == "nanospan": raise metadata.PackageNotFoundError(name)
    return original(cls, name)
metadata.Distribution.from_name = classmethod(stripped)
import nanospan
for module in pkgutil.walk_packages(nanospan.__path__, "nanospan."):
    if not module.name.endswith("__main__"):
        try: importlib.import_module(module.name)
        except ImportError as error: assert "nanospan" not in error.name, error
from nanospan.export._delivery.exporter import user_agent
from nanospan.export.http import OTLPSpanExporter
provider = nanospan.TracerProvider()
provider.add_span_processor(nanospan.BatchSpanProcessor(OTLPSpanExporter()))
print(nanospan.__version__, user_agent().rpartition("/")[2])
"""


def test_without_metadata_everything_imports_and_the_version_is_unknown() -> None:
    run = subprocess.run([sys.executable, "-c", STRIPPED], capture_output=True, text=True, timeout=120, check=False)
    assert (run.stdout.split(), run.returncode) == (["unknown", "unknown"], 0), run.stderr


def test_one_place_reads_it() -> None:
    root = Path(nanospan.__file__).parent
    # Entry points are looked up by name, and without metadata there are none.
    reading = re.compile(r"importlib[. ](import )?_?metadata(?! import (entry_points|EntryPoint)\b)|pkg_resources")
    found = {path.relative_to(root).as_posix() for path in root.rglob("*.py*") if path.suffix in (".py", ".pyx", ".pxi")
             and reading.search(path.read_text())}  # fmt: skip
    # The doctor shows the versions that are installed, and leaves out a package without metadata.
    assert found == {"_common/version.py", "_doctor/versions.py"}
