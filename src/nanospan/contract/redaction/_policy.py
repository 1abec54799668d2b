"""`Redaction`: what is a secret, and what happens to it."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from nanospan._common.arguments import check_integer, check_text, constructor_text, safe_repr
from nanospan.contract.redaction._actions import Actor, check_action, needs_hash_key
from nanospan.contract.redaction._defaults import (
    DEFAULT_IGNORED_KEYS,
    DEFAULT_KEYS,
    DETECTORS,
    MARKER,
    MAX_BYTES_SCANNED,
    URL_KEYS,
)
from nanospan.contract.redaction._keys import KeySet, SensitiveKey
from nanospan.contract.redaction._patterns import Pattern, is_literal

__all__ = ["Redaction"]

MIN_HASH_KEY: Final = 32
MIN_BYTES, MAX_BYTES = 1024, 16 * 1024 * 1024
MIN_LITERAL: Final = 3
MAX_LITERAL: Final = 1024
MAX_LITERALS: Final = 1024
MAX_MARKER: Final = 64
RULES: Final = (*DETECTORS, "blocked_value", "over_cap")
"""Names of the rules that the native redactor counts, by number; the rules of keys follow."""
KEY_RULES: Final = ("sensitive_key", "blocked_key", "not_allowed_key", "action_key")


@dataclass(slots=True)
class _Prepared:
    """What is made once of the arguments, and the counts of what Python does itself."""

    literals: tuple[str, ...]
    value_patterns: tuple[Pattern, ...]
    blocked_keys: tuple[Pattern, ...]
    ignored_keys: tuple[Pattern, ...]
    sensitive: KeySet
    actor: Actor
    key_hits: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KEY_RULES, 0))
    pattern_hits: int = 0


@dataclass(frozen=True, repr=False)
class Redaction:
    """A policy of redaction: a rule for the argument ``contract`` of `nanospan.BatchSpanProcessor`.

    Every field of a span is searched that leaves the process: attributes with nested and binary values, names, the status,
    events, links, the trace state, resource and scope. Without arguments it is the default policy. Wrong arguments raise
    TypeError or ValueError, which names the argument and what is accepted.
    """

    _: KW_ONLY
    keys: Collection[str | SensitiveKey] = DEFAULT_KEYS
    """Keys whose values are secrets; replaces the defaults. A string stands for a key that matches at the end of a word."""
    extra_keys: Collection[str | SensitiveKey] = ()
    """Further such keys."""
    detectors: Collection[str] = DETECTORS
    """Secrets that show by their form."""
    action: str = "mask"
    """What happens to an attribute whose key is sensitive or blocked: mask, hash, drop, drop_span or keep_last_N."""
    actions: Mapping[str, str] = field(default_factory=dict)
    """Actions of single attributes, by their exact keys, sensitive or not."""
    blocked_key_patterns: Collection[str] = ()
    """Regular expressions; an attribute whose key one of them is found in is treated as a sensitive one."""
    blocked_values: Collection[str] = ()
    """Texts and regular expressions; what they match is masked, wherever it stands."""
    ignored_keys: Collection[str] = DEFAULT_IGNORED_KEYS
    """Exact keys of attributes whose key is not judged. Their values are searched."""
    ignored_key_patterns: Collection[str] = ()
    allowed_keys: Collection[str] | None = None
    """Exact keys of the only attributes that are kept; every other one is dropped. None keeps all."""
    url_keys: Collection[str] = tuple(sorted(URL_KEYS))
    """Exact keys of attributes of which all is a URL or the query of one."""
    hash_key: bytes | None = field(default=None, repr=False)
    """Key of HMAC-SHA-256 for the action hash, at least 32 bytes. Without a key, what was hashed can be guessed."""
    marker: str = MARKER
    """Takes the place of a secret."""
    max_bytes_scanned: int = MAX_BYTES_SCANNED
    """A longer value is masked as a whole, unseen, and counted."""
    _prepared: _Prepared = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("keys", "extra_keys"):
            self._put(name, _checked_keys(name, getattr(self, name)))
        self._put("detectors", _one_of("detectors", self.detectors, DETECTORS))
        check_action("action", self.action)
        if not isinstance(self.actions, Mapping):
            raise TypeError(f"actions must be a mapping of keys to actions, not {type(self.actions).__name__}")
        for key, action in self.actions.items():
            check_text("actions", key)
            check_action(f"actions[{key!r}]", action)
        self._put("actions", dict(self.actions))
        for name in ("blocked_key_patterns", "blocked_values", "ignored_keys", "ignored_key_patterns", "url_keys"):
            self._put(name, _texts(name, getattr(self, name)))
        if self.allowed_keys is not None:
            self._put("allowed_keys", _texts("allowed_keys", self.allowed_keys))
        check_text("marker", self.marker)
        if len(self.marker.encode()) > MAX_MARKER:
            raise ValueError(f"marker must have at most {MAX_MARKER} bytes, not {len(self.marker.encode())}")
        check_integer("max_bytes_scanned", self.max_bytes_scanned, MIN_BYTES, MAX_BYTES)
        self._check_hash_key()
        self._prepare()
        if len(self._prepared.literals) > MAX_LITERALS:
            raise ValueError(
                f"blocked_values must have at most {MAX_LITERALS} plain texts, not {len(self._prepared.literals)}"
            )
        try:
            self._compile()
        except ValueError:
            raise ValueError(f"keys and extra_keys have too many or too long names: {len(self._sensitive_keys())}") from None

    def _check_hash_key(self) -> None:
        wanted = any(map(needs_hash_key, (self.action, *self.actions.values())))
        if self.hash_key is None:
            if wanted:
                raise ValueError(f"hash_key must be given for the action hash: at least {MIN_HASH_KEY} bytes")
        elif not isinstance(self.hash_key, bytes):
            raise TypeError(f"hash_key must be bytes, not {type(self.hash_key).__name__}")
        elif len(self.hash_key) < MIN_HASH_KEY:
            raise ValueError(f"hash_key must have at least {MIN_HASH_KEY} bytes, not {len(self.hash_key)}")

    def _prepare(self) -> None:
        literals = [text for text in self.blocked_values if is_literal(text) and _fits_natively(text)]
        patterns = [
            Pattern(f"blocked_values[{i}]", text) for i, text in enumerate(self.blocked_values) if text not in literals
        ]
        prepared = _Prepared(
            tuple(dict.fromkeys(literals)),
            tuple(patterns),
            tuple(Pattern(f"blocked_key_patterns[{i}]", text) for i, text in enumerate(self.blocked_key_patterns)),
            tuple(Pattern(f"ignored_key_patterns[{i}]", text) for i, text in enumerate(self.ignored_key_patterns)),
            KeySet(self._sensitive_keys()),
            Actor(self.marker, self.hash_key),
        )
        self._put("_prepared", prepared)

    def _put(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _sensitive_keys(self) -> tuple[SensitiveKey, ...]:
        return tuple(key for key in (*self.keys, *self.extra_keys) if isinstance(key, SensitiveKey))

    def __repr__(self) -> str:
        shown = {
            name: getattr(self, name) for name in field_names() if name not in ("hash_key", "actions") or getattr(self, name)
        }
        if "hash_key" in shown:
            shown["hash_key"] = b"..."
        return constructor_text("Redaction", type(self), shown)

    def __hash__(self) -> int:
        return hash((self.keys, self.extra_keys, self.action, self.marker, self.blocked_values))

    @classmethod
    def default(cls) -> Redaction:
        """The default policy, as of ``OTEL_PYTHON_NANOSPAN_REDACT=default``."""
        return cls()

    @classmethod
    def from_file(cls, path: str | Path) -> Redaction:
        """The policy of a file in YAML, or in JSON where PyYAML is not installed.

        Its names are those of the arguments, or those of the Collector's redaction processor, whose whole configuration it
        may be. Raises OSError if it cannot be read, and ValueError or TypeError if it is no policy.
        """
        from nanospan.contract.redaction._file import read_policy

        return cls(**read_policy(Path(path), field_names()))

    def as_collector(self) -> dict[str, Any]:
        """The policy as configuration of the Collector's redaction processor, as far as that can say it."""
        from nanospan.contract.redaction._collector import to_collector

        return to_collector(self)

    def as_file(self) -> dict[str, Any]:
        """The policy as a file holds it: its keys, and what is not as by default, without the key of the hash."""
        from nanospan.contract.redaction._file import write_policy

        return write_policy(self, Redaction())

    # --- what the native stage asks; see src/nanospan/_native/contract -------------------------------------------------

    def _compile(self) -> Any:
        from nanospan._native.contract import KEY_FLAGS, Redactor

        keys = []
        for key in self._sensitive_keys():
            weak, line = KEY_FLAGS["weak"] if key.weak else 0, KEY_FLAGS["line"] if key.line else 0
            keys.append((key.name, KEY_FLAGS[key.match] | weak | line))
        detectors = sum(1 << number for number, name in enumerate(DETECTORS) if name in self.detectors)
        return Redactor(
            detectors=detectors,
            max_bytes=self.max_bytes_scanned,
            keys=keys,
            literals=self._prepared.literals,
            marker=self.marker,
        )

    def _is_url_key(self, key: str) -> bool:
        return key in self.url_keys

    def _key_facts(self, key: str) -> tuple[str, int] | None:
        """The action for the whole value, and the number of its rule in KEY_RULES; None: the value is searched."""
        if key in self.actions:
            return self.actions[key], KEY_RULES.index("action_key")
        if key in self.ignored_keys or any(pattern.search(key) for pattern in self._prepared.ignored_keys):
            return None
        if self.allowed_keys is not None and key not in self.allowed_keys:
            return "drop", KEY_RULES.index("not_allowed_key")
        if any(pattern.search(key) for pattern in self._prepared.blocked_keys):
            return self.action, KEY_RULES.index("blocked_key")
        if self._prepared.sensitive.has(key):
            return self.action, KEY_RULES.index("sensitive_key")
        return None

    def _is_sensitive_option(self, option: str) -> bool:
        """Whether the item behind ``option``, as ``--password``, in the list of a command's arguments is a secret."""
        return self._prepared.sensitive.has(option.removeprefix("--"))

    def _act(self, facts: tuple[str, int], value: Any) -> Any:
        """Do to a value what `_key_facts` said, and count it."""
        action, rule = facts
        if value is not None and not isinstance(value, bool):
            self._prepared.key_hits[KEY_RULES[rule]] += 1
        return self._prepared.actor.act(action, value)

    def _with_own_counts(self) -> Redaction:
        """The same policy for one processor: those that share a policy count on their own."""
        made = copy.copy(self)
        made._put("_prepared", replace(self._prepared, key_hits=dict.fromkeys(KEY_RULES, 0), pattern_hits=0))
        return made

    def _forget_counts(self) -> None:
        self._prepared.key_hits.update(dict.fromkeys(KEY_RULES, 0))
        self._prepared.pattern_hits = 0

    @property
    def _has_patterns(self) -> bool:
        """Whether `_mask_patterns` must be called for each text."""
        return bool(self._prepared.value_patterns)

    def _mask_patterns(self, text: str) -> str:
        """The text itself, or a copy in which what the regular expressions of ``blocked_values`` match is masked."""
        for pattern in self._prepared.value_patterns:
            text, count = pattern.replace(text, self.marker)
            self._prepared.pattern_hits += count
        return text

    def _by_name(self, native: Iterable[int]) -> dict[str, int]:
        """How often each rule found something. ``native`` are the counts of the native redactor, by number."""
        counts = dict(zip(RULES, native, strict=False))
        counts["blocked_value"] = counts.get("blocked_value", 0) + self._prepared.pattern_hits
        return {**counts, **self._prepared.key_hits}


def _fits_natively(text: str) -> bool:
    return MIN_LITERAL <= len(text.encode("utf-8", "replace")) <= MAX_LITERAL


def _texts(name: str, values: Any) -> tuple[str, ...]:
    if isinstance(values, str) or not isinstance(values, Collection):
        raise TypeError(f"{name} must be a collection of strings, not {type(values).__name__}")
    for index, value in enumerate(values):
        check_text(f"{name}[{index}]", value)
    return tuple(values)


def _one_of(name: str, values: Any, accepted: Collection[str]) -> tuple[str, ...]:
    texts = _texts(name, values)
    for index, value in enumerate(texts):
        if value not in accepted:
            raise ValueError(f"{name}[{index}] must be one of {', '.join(accepted)}, not {safe_repr(value)}")
    return texts


def _checked_keys(name: str, values: Any) -> tuple[SensitiveKey, ...]:
    if isinstance(values, str | SensitiveKey) or not isinstance(values, Collection):
        raise TypeError(f"{name} must be a collection of strings and SensitiveKeys, not {type(values).__name__}")
    made = []
    for index, value in enumerate(values):
        if isinstance(value, SensitiveKey):
            made.append(value)
            continue
        if not isinstance(value, str):
            raise TypeError(f"{name}[{index}] must be a string or a SensitiveKey, not {type(value).__name__}")
        try:
            made.append(SensitiveKey(value))
        except ValueError as error:
            raise ValueError(f"{name}[{index}]: {error}") from None
    return tuple(made)


def field_names() -> tuple[str, ...]:
    return tuple(one.name for one in fields(Redaction) if one.init)
