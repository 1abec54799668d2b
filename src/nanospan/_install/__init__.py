"""`nanospan.install`: nanospan's classes under the SDK's names, for packages that construct the SDK's own.

The parts: `names` (what stands where), `references` (copies of these names in loaded modules), `subclasses`, `twins`
(`isinstance` and pickle), `exporters`, `current` (the provider and the propagator that are set already), `installation` (the
object that says what was done, and undoes it).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nanospan._install.installation import Installation

__all__ = ["install", "is_asked_for"]

VARIABLE = "OTEL_PYTHON_NANOSPAN_INSTALL"


def install(*, exporters: bool = False, packages: Iterable[str] = ()) -> Installation:
    """Put nanospan's classes under the SDK's names, for packages that construct the SDK's own.

    These are the provider, the tracer, both kinds of spans, the batch processor, the samplers and the W3C propagator. It may
    be called before or after other packages are imported: references to the SDK's classes in the loaded modules of known
    packages are renewed, subclasses of the provider among them are derived from nanospan's, and a provider of the SDK that
    is the global one already becomes nanospan's in place. Objects of the SDK's classes stay valid: `isinstance` knows them
    by the new names, and pickles of them load as nanospan's.

    Something else under one of the names, such as another package's class, stays there and is reported.

    Args:
        exporters: Whether the official OTLP exporters' names stand for nanospan's too. nanospan's processor serves the
            official ones from bytes in any case.
        packages: Names of more packages or modules whose references are to be renewed, such as the application's own.

    Returns:
        What was done. Another call does what has become possible meanwhile, and returns the same object, until its
        ``undo()``.

    Raises:
        TypeError: for an argument of another type.
    """
    from nanospan._install.installation import install_once

    if not isinstance(exporters, bool):
        raise TypeError(f"exporters must be True or False, not {exporters!r}")
    names = () if isinstance(packages, str) else tuple(packages)
    if isinstance(packages, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"packages must be names of packages, such as ('my_application',), not {packages!r}")
    return install_once(exporters=exporters, packages=names)


def is_asked_for() -> bool:
    """Whether ``OTEL_PYTHON_NANOSPAN_INSTALL`` is true."""
    return os.environ.get(VARIABLE, "").strip().lower() in ("true", "1", "yes", "on")


def install_if_asked_for() -> None:
    """`install` if ``OTEL_PYTHON_NANOSPAN_INSTALL`` is true."""
    if is_asked_for():
        install()
