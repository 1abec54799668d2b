"""The semantic conventions of OpenTelemetry as a contract: deprecated names, types, formats, paths in names."""

from nanospan.contract.conventions._baggage import check_baggage
from nanospan.contract.conventions._cardinality import Cardinality
from nanospan.contract.conventions._checker import Checker
from nanospan.contract.conventions._findings import Finding, Findings
from nanospan.contract.conventions._rules import KeyRule
from nanospan.contract.conventions._settings import CHECKS, DEFAULT_CHECKS, LEVELS, MODES, Conventions
from nanospan.contract.conventions._switches import RESOURCE

__all__ = [
    "CHECKS",
    "DEFAULT_CHECKS",
    "LEVELS",
    "MODES",
    "RESOURCE",
    "Cardinality",
    "Checker",
    "Conventions",
    "Finding",
    "Findings",
    "KeyRule",
    "check_baggage",
]
