"""Samplers from the nodes of a configuration file, or of a JSON object with the same properties.

The properties of a node ``nanospan_probability: {ratio: 0.01}`` are the arguments of the class in `nanospan.sampling`. A
top-level sampler of nanospan (not inside ``parent_based``) is wrapped in a ParentBased: without one it would split traces.
Invalid properties raise ConfigurationError, like every other error in the file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from nanospan import sampling
from nanospan._common.arguments import safe_repr
from nanospan._compat.declarative import sampler_model, stock_sampler
from nanospan.sampling import ALWAYS_OFF, ParentBased, Sampler
from nanospan.sampling.configuration.root_settings import (
    ADAPTIVE,
    OVERHEAD_BUDGET,
    PROBABILITY,
    RATE_LIMITED,
    SettingOfRoot,
)
from nanospan.sampling.configuration.rule_arguments import rule_arguments

__all__ = ["DELEGATES", "MAKERS", "SamplerNodes", "configuration_error"]

DELEGATES = (
    "root",
    "remote_parent_sampled",
    "remote_parent_not_sampled",
    "local_parent_sampled",
    "local_parent_not_sampled",
)
"""Properties of a ``parent_based`` node, and arguments of ParentBased."""


class SimpleNode(NamedTuple):
    """A sampler whose properties are scalars."""

    setting: SettingOfRoot
    main: str
    """The property for the amount that is kept; 0 keeps nothing, as in the environment."""


SIMPLE: dict[str, SimpleNode] = {
    "nanospan_probability": SimpleNode(PROBABILITY, "ratio"),
    "nanospan_rate_limited": SimpleNode(RATE_LIMITED, "traces_per_second"),
    "nanospan_adaptive": SimpleNode(ADAPTIVE, "target_spans_per_second"),
    "nanospan_overhead_budget": SimpleNode(OVERHEAD_BUDGET, "cpu_fraction"),
}


class SamplerNodes:
    """Makes samplers from the nodes of a file; ``stock`` makes those that nanospan has no class for."""

    def __init__(self, stock: Callable[[Any], Sampler] = stock_sampler) -> None:
        self._stock = stock

    def from_model(self, model: Any, *, top: bool) -> Sampler:
        """The sampler of a node, given as a model of opentelemetry-configuration.

        ``top``: the node is not inside a ``parent_based``. Raises ConfigurationError.
        """
        others = model.additional_properties
        if others and (name := next(iter(others))) in MAKERS:
            return self.own(name, others[name] or {}, top=top)
        if model.parent_based is not None:
            delegates = {name: getattr(model.parent_based, name) for name in DELEGATES}
            made = {name: self.from_model(one, top=False) for name, one in delegates.items() if one is not None}
            return ParentBased(**{"root": sampling.ALWAYS_ON} | made)
        standard = getattr(model, "probability_development", None)
        if standard is not None:
            ratio = PROBABILITY.default if standard.ratio is None else standard.ratio
            return self.own("nanospan_probability", {"ratio": ratio}, top=top)
        return self._stock(model)

    def from_node(self, node: object, where: str, *, top: bool) -> Sampler:
        """The sampler of a nested node, given as a mapping from the file."""
        name, properties = self.only_entry(node, where)
        try:
            return self.from_model(sampler_model({name: properties}), top=top)
        except (AttributeError, TypeError) as error:
            # The schema of the file does not cover nested nodes: their properties may have any type.
            raise self.error(f"{where}: {error}") from error

    def only_entry(self, node: object, where: str) -> tuple[str, Any]:
        """Name and properties of a sampler. Raises ConfigurationError."""
        if isinstance(node, Mapping) and len(node) == 1:
            ((name, properties),) = node.items()
            if isinstance(name, str):
                return name, properties or {}
        raise self.error(f"{where} must be a sampler, a mapping with its name as the only key, not {safe_repr(node)}")

    def error(self, message: str) -> Exception:
        return configuration_error(message)

    def own(self, name: str, properties: Mapping[str, Any], *, top: bool) -> Sampler:
        """nanospan's sampler of that name, in a ParentBased if ``top``. Raises ConfigurationError."""
        if not isinstance(properties, Mapping):
            raise self.error(f"{name} must have a mapping of its properties, not {safe_repr(properties)}")
        try:
            return MAKERS[name](self, name, properties, top)
        except (TypeError, ValueError) as error:
            raise self.error(f"{name}: {error}") from error


def _simple(nodes: SamplerNodes, name: str, properties: Mapping[str, Any], top: bool) -> Sampler:
    setting, main = SIMPLE[name]
    given = {key: value for key, value in properties.items() if value is not None}
    amount = given.setdefault(main, setting.default)
    _check_known(properties, getattr(sampling, setting.sampler))
    keeps_nothing = not isinstance(amount, (bool, str)) and amount == 0
    sampler = ALWAYS_OFF if keeps_nothing else getattr(sampling, setting.sampler)(**given)
    return ParentBased(sampler) if top else sampler


def _rule_based(nodes: SamplerNodes, name: str, properties: Mapping[str, Any], top: bool) -> Sampler:
    if "default" not in properties:
        raise ValueError("default must be given, a sampler for the spans that no rule matches")
    if not isinstance(rules := properties.get("rules"), list):
        raise TypeError("rules must be a list of rules")
    _check_known(properties, sampling.RuleBased)
    made = [rule_arguments(rule, lambda node: nodes.from_node(node, f"{name}: sampler", top=False)) for rule in rules]
    default = nodes.from_node(properties["default"], f"{name}: default", top=False)
    sampler = sampling.RuleBased([sampling.Rule(**one) for one in made], default=default)
    # A ParentBased would hide every parent from rules about the parent.
    return ParentBased(sampler) if top and not any("parent" in one for one in made) else sampler


def _always_record(nodes: SamplerNodes, name: str, properties: Mapping[str, Any], top: bool) -> Sampler:
    if "root" not in properties:
        raise ValueError("root must be given, the sampler that decides what is sampled")
    _check_known(properties, sampling.AlwaysRecord)
    return sampling.AlwaysRecord(nodes.from_node(properties["root"], f"{name}: root", top=top))


def _links_based(nodes: SamplerNodes, name: str, properties: Mapping[str, Any], top: bool) -> Sampler:
    if "root" not in properties:
        raise ValueError("root must be given, the sampler for the spans without links")
    _check_known(properties, sampling.LinksBased)
    given = {key: node for key, node in properties.items() if node is not None or key == "root"}
    made = {key: nodes.from_node(node, f"{name}: {key}", top=False) for key, node in given.items()}
    sampler = sampling.LinksBased(**made)
    return ParentBased(sampler) if top else sampler


MAKERS: dict[str, Callable[[SamplerNodes, str, Mapping[str, Any], bool], Sampler]] = {
    **dict.fromkeys(SIMPLE, _simple),
    "nanospan_rule_based": _rule_based,
    "nanospan_always_record": _always_record,
    "nanospan_links_based": _links_based,
}
"""Factories of nanospan's samplers, by their names in the file."""


def _check_known(properties: Mapping[str, Any], sampler: type[Sampler]) -> None:
    known = list(inspect.signature(sampler.__init__).parameters)[1:]
    for name in properties:
        if name not in known:
            raise ValueError(f"{name!r} is not one of its properties: {', '.join(known)}")


def configuration_error(message: str) -> Exception:
    from opentelemetry.configuration import ConfigurationError

    return ConfigurationError(message)
