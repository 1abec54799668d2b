"""The semantic conventions of OpenTelemetry as a contract: deprecated names, types, formats, paths in names."""

from nanospan.contract.conventions._findings import Finding, Findings
from nanospan.contract.conventions._rules import KeyRule
from nanospan.contract.conventions._settings import CHECKS, DEFAULT_CHECKS, LEVELS, MODES, Conventions

__all__ = ["CHECKS", "DEFAULT_CHECKS", "LEVELS", "MODES", "Conventions", "Finding", "Findings", "KeyRule"]
