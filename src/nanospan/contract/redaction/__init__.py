"""Redaction of secrets and personal data in what leaves the process.

    from nanospan.contract.redaction import Redaction

    Redaction.default()
    Redaction(extra_keys=["iban"], detectors=["pair", "userinfo", "jwt"], actions={"enduser.id": "drop"})
    Redaction.from_file("redaction.yaml")
"""

from __future__ import annotations

from nanospan.contract.redaction._defaults import DEFAULT_IGNORED_KEYS, DEFAULT_KEYS, DETECTORS, URL_KEYS
from nanospan.contract.redaction._keys import SensitiveKey
from nanospan.contract.redaction._policy import Redaction

__all__ = ["DEFAULT_IGNORED_KEYS", "DEFAULT_KEYS", "DETECTORS", "URL_KEYS", "Redaction", "SensitiveKey"]
