"""Between a policy and the options of the Collector's redaction processor.

The processor knows keys by regular expressions, and masks all that an expression of ``blocked_values`` matches, the key of
a parameter too. It does not look at names, status, links and the trace state.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Protocol

from nanospan._common.arguments import safe_repr
from nanospan.contract.redaction._keys import SensitiveKey
from nanospan.contract.redaction._patterns import is_literal

__all__ = ["OPTIONS", "from_collector", "not_in_collector", "to_collector"]

OPTIONS: Final = (
    "allow_all_keys",
    "allowed_keys",
    "allowed_values",
    "blocked_key_patterns",
    "blocked_values",
    "db_sanitizer",
    "hash_function",
    "hmac_key",
    "ignored_key_patterns",
    "ignored_keys",
    "redact_all_types",
    "summary",
    "url_sanitizer",
)
"""Of the Collector's processor. Those that a policy cannot follow are refused, unless they are off."""

_PLAIN: Final = ("blocked_key_patterns", "blocked_values", "ignored_key_patterns", "ignored_keys")
_IGNORED: Final = ("redact_all_types", "summary")

_FORMS: Final = {
    "userinfo": [r"//[^/?#\s@:]+(:[^/?#\s@]*)?@"],
    "jwt": [r"eyJ[A-Za-z0-9_-]{9,}\.[A-Za-z0-9_-]{4,}(\.[A-Za-z0-9_-]*)*"],
    "credentials": [r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"],
    "email": [r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"],
    "card": [
        r"\b4[0-9]{3}([ +-]?[0-9]{4}){3}\b",
        r"\b(5[1-5][0-9]{2}|2[2-7][0-9]{2})([ +-]?[0-9]{4}){3}\b",
        r"\b3[47][0-9]{2}[ +-]?[0-9]{6}[ +-]?[0-9]{5}\b",
    ],
    "private_key": [r"-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----[^-]*"],
    "service_key": [
        r"\b(AKIA|ASIA)[A-Z0-9]{16,}",
        r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{20,}",
        r"xox[abeprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{35}|[sr]k_(live|test)_[A-Za-z0-9]{16,}",
        r"\bsk-[A-Za-z0-9_-]{32,}|\bnpm_[A-Za-z0-9]{30,}|\bhf_[A-Za-z0-9]{30,}",
    ],
}


class Policy(Protocol):
    """What of a `Redaction` is asked here."""

    @property
    def action(self) -> str: ...
    @property
    def actions(self) -> Mapping[str, str]: ...
    @property
    def allowed_keys(self) -> Collection[str] | None: ...
    @property
    def blocked_key_patterns(self) -> Collection[str]: ...
    @property
    def blocked_values(self) -> Collection[str]: ...
    @property
    def detectors(self) -> Collection[str]: ...
    @property
    def ignored_keys(self) -> Collection[str]: ...
    @property
    def ignored_key_patterns(self) -> Collection[str]: ...

    def _sensitive_keys(self) -> Sequence[SensitiveKey]: ...


def from_collector(options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `Redaction` for these options. Raises ValueError for one that a policy cannot follow."""
    arguments: dict[str, Any] = {name: options[name] or () for name in _PLAIN if name in options}
    for name in ("url_sanitizer", "db_sanitizer"):
        if isinstance(options.get(name), Mapping) and options[name].get("enabled", name == "db_sanitizer"):
            raise ValueError(
                f"{name} replaces parts that are no secrets, which a policy does not: leave it to the Collector"
            )
    if options.get("allowed_values"):
        raise ValueError("allowed_values lets a value pass that contains one of them, with whatever secret stands beside it")
    allow_all = options.get("allow_all_keys", False)
    if not isinstance(allow_all, bool):
        raise TypeError(f"allow_all_keys must be true or false, not {safe_repr(allow_all)}")
    if not allow_all:
        # As in the processor, where no key is allowed unless it is listed.
        arguments["allowed_keys"] = options.get("allowed_keys") or ()
    function = options.get("hash_function") or ""
    if function == "hmac-sha256":
        arguments["action"] = "hash"
        if not isinstance(options.get("hmac_key"), str):
            raise ValueError("hmac_key must be given for hash_function hmac-sha256: a string of at least 32 bytes")
        arguments["hash_key"] = options["hmac_key"].encode()
    elif function:
        raise ValueError(
            f"hash_function must be hmac-sha256 or none, not {safe_repr(function)}: a hash without a key can be guessed"
        )
    return arguments


def to_collector(policy: Policy) -> dict[str, Any]:
    """The configuration of one processor, ``redaction/nanospan``."""
    options: dict[str, Any] = {"allow_all_keys": policy.allowed_keys is None}
    if policy.allowed_keys is not None:
        options["allowed_keys"] = list(policy.allowed_keys)
    options["ignored_keys"] = list(policy.ignored_keys)
    if policy.ignored_key_patterns:
        options["ignored_key_patterns"] = list(policy.ignored_key_patterns)
    keys = policy._sensitive_keys()
    masked = sorted(key for key, action in policy.actions.items() if action in ("mask", "hash"))
    options["blocked_key_patterns"] = [
        *(_key_pattern(key) for key in keys),
        *policy.blocked_key_patterns,
        *("^" + re.escape(key) + "$" for key in masked),
    ]
    values = [re.escape(text) if is_literal(text) else text for text in policy.blocked_values]
    if "pair" in policy.detectors:
        values += [_pair_pattern(key) for key in keys]
    for detector in policy.detectors:
        values += _FORMS.get(detector, ())
    options["blocked_values"] = values
    if policy.action == "hash":
        options["hash_function"] = "hmac-sha256"
        options["hmac_key"] = "${env:NANOSPAN_REDACTION_HASH_KEY}"
    options["redact_all_types"] = True
    options["summary"] = "silent"
    return {"processors": {"redaction/nanospan": options}}


def not_in_collector(policy: Policy) -> list[str]:
    """What of the policy the configuration does not say, a sentence each."""
    missing = [
        "names of spans and events, status, links and the trace state are not searched",
        "of a parameter the key is masked too",
    ]
    if "card" in policy.detectors:
        missing.append("the check digits of cards are not checked")
    other = sorted(key for key, action in policy.actions.items() if action not in ("mask", "hash"))
    if other:
        missing.append(f"the actions of {', '.join(other)} are left out")
    if policy.action not in ("mask", "hash"):
        missing.append(f"attributes with sensitive keys are masked, where the action is {policy.action}")
    if policy.ignored_keys or policy.ignored_key_patterns:
        missing.append("values of ignored keys are not searched")
    if any(key.match != "any_end" for key in policy._sensitive_keys()):
        missing.append("words joined in camel case are told apart only in keys that match at any end")
    return missing


def _spelled(key: SensitiveKey) -> str:
    return "[-_.]?".join(re.escape(part) for part in re.split(r"[-_.]", key.name))


def _key_pattern(key: SensitiveKey) -> str:
    before = {"any_end": "", "word_end": r"(^|[-_.])", "whole": r"(^|\.)"}[key.match]
    return f"(?i){before}{_spelled(key)}$"


def _pair_pattern(key: SensitiveKey) -> str:
    before = {"any_end": r"\b[a-z0-9_.-]*", "word_end": r"\b([a-z0-9_.-]*[-_.])?", "whole": r"\b"}[key.match]
    quoted = r"""["']?\s*[:=]\s*["']?[^&;\s"'#]+"""
    return f"(?i){before}{_spelled(key)}{'=[^&;#]+' if key.weak else quoted}"
