"""The version of the installed nanospan."""

from __future__ import annotations

__all__ = ["own_version"]


def own_version() -> str:
    """As in the package's metadata; "unknown" without it: freezers, zip applications and stripped layers leave it out."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("nanospan")
    except PackageNotFoundError:
        return "unknown"
