"""What `nanospan run` starts in each Python process of the command: the folder `site` is on its PYTHONPATH."""

from __future__ import annotations

from pathlib import Path

__all__ = ["SITE"]

SITE = str(Path(__file__).resolve().parent / "site")
"""The folder with the `sitecustomize` module that Python imports at its start."""
