"""Redaction of secrets and personal data in what leaves the process.

`Redaction` is the policy, `SensitiveKey` a key of it with how it has to agree.
"""

from __future__ import annotations

from nanospan.contract.redaction._defaults import DEFAULT_IGNORED_KEYS, DEFAULT_KEYS, DETECTORS, URL_KEYS
from nanospan.contract.redaction._keys import SensitiveKey
from nanospan.contract.redaction._policy import Redaction

__all__ = ["DEFAULT_IGNORED_KEYS", "DEFAULT_KEYS", "DETECTORS", "URL_KEYS", "Redaction", "SensitiveKey"]
