"""The rules of one processor, from its argument or the environment, compiled for the native floor."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from opentelemetry.sdk.environment_variables import (
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT,
    OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT,
)

from nanospan._common.environment import variable_text, warn_once
from nanospan._native.contract import Contract
from nanospan.contract._first_sight import FirstSight
from nanospan.contract.conventions import Conventions, Findings
from nanospan.contract.redaction import Redaction

__all__ = ["REDACT_VARIABLE", "compiled_contract", "rules_of_environment"]

logger = logging.getLogger(__name__)

REDACT_VARIABLE = "OTEL_PYTHON_NANOSPAN_REDACT"


def compiled_contract(rules: Iterable[Conventions | Redaction]) -> Contract | None:
    """The contract of ``rules``; None if there are none. Raises TypeError or ValueError, naming ``contract``."""
    found: dict[type, Any] = {}
    try:
        given = list(rules)
    except TypeError:
        raise TypeError(f"contract must be a list of rules of nanospan.contract, not {type(rules).__name__}") from None
    for rule in given:
        kind = next((kind for kind in (Conventions, Redaction) if isinstance(rule, kind)), None)
        if kind is None:
            raise TypeError(
                f"contract must hold rules of nanospan.contract (Conventions, Redaction), not {type(rule).__name__}"
            )
        if kind in found:
            raise ValueError(f"contract must hold one {kind.__name__} at most")
        found[kind] = rule
    if not found:
        return None
    conventions = found.get(Conventions)
    findings = Findings(conventions)
    first_sight = None if conventions is None else FirstSight(conventions, findings)
    redaction = found.get(Redaction)
    if redaction is not None:
        redaction = redaction._with_own_counts()
    return Contract(conventions, redaction, findings, first_sight, _cut_lengths())


def _cut_lengths() -> list[int]:
    """Where the limits of the environment cut texts: of the attributes of spans, and of events and links. A secret that was
    cut has no longer its whole form. Limits of a provider's arguments are not known here."""
    found = set()
    for name in (OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT, OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT):
        text = variable_text(name)
        if text and text.isdecimal() and int(text) > 0:
            found.add(int(text))
    return sorted(found)


def rules_of_environment() -> list[Conventions | Redaction]:
    """The rules that the variables name. A mode that does not exist counts as unset, with one warning. A file of redaction
    that cannot be used gives the default redaction, with one warning: nobody who wrote one wants secrets to leave."""
    rules: list[Conventions | Redaction] = []
    conventions = Conventions.from_environment()
    if conventions is not None:
        rules.append(conventions)
    if text := variable_text(REDACT_VARIABLE):
        rules.append(_redaction_of(text))
    return rules


def _redaction_of(text: str) -> Redaction:
    if text.lower() != "default":
        try:
            return Redaction.from_file(text)
        except (OSError, TypeError, ValueError, RecursionError) as error:
            warn_once(
                logger,
                REDACT_VARIABLE,
                text,
                f"cannot be used ({error}): the default rules redact. Write default, or the path of a file of rules",
            )
    return Redaction.default()
