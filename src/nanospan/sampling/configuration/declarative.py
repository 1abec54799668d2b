"""nanospan's samplers for the SDK's own configurator: entry points of the group ``opentelemetry_sampler``.

The SDK's configurator calls these without the properties that their nodes have in the configuration file, the one that
``OTEL_CONFIG_FILE`` names: they look them up there. With nanospan's configurator, `nodes.SamplerNodes` is handed every
sampler node instead.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from opentelemetry.sdk.environment_variables import OTEL_CONFIG_FILE

from nanospan.sampling import Sampler
from nanospan.sampling.configuration.nodes import DELEGATES, SamplerNodes

__all__ = ["adaptive", "always_record", "overhead_budget", "probability", "rate_limited", "rule_based"]

logger = logging.getLogger(__name__)


def probability(**properties: Any) -> Sampler:
    """ConsistentProbability; of all traces where ``ratio`` is not given."""
    return _looked_up("nanospan_probability", properties)


def rate_limited(**properties: Any) -> Sampler:
    """RateLimited; 100 traces a second where ``traces_per_second`` is not given."""
    return _looked_up("nanospan_rate_limited", properties)


def adaptive(**properties: Any) -> Sampler:
    """Adaptive; 1000 spans a second where ``target_spans_per_second`` is not given."""
    return _looked_up("nanospan_adaptive", properties)


def overhead_budget(**properties: Any) -> Sampler:
    """OverheadBudget; 0.02 of the CPU where ``cpu_fraction`` is not given."""
    return _looked_up("nanospan_overhead_budget", properties)


def rule_based(**properties: Any) -> Sampler:
    """RuleBased; ``rules`` and ``default`` must be given."""
    return _looked_up("nanospan_rule_based", properties)


def always_record(**properties: Any) -> Sampler:
    """AlwaysRecord; ``root`` must be given."""
    return _looked_up("nanospan_always_record", properties)


def _looked_up(name: str, properties: Mapping[str, Any]) -> Sampler:
    """The sampler with the properties that it has in the file, unless it is handed any.

    Raises ConfigurationError.
    """
    if properties:
        return SamplerNodes().own(name, properties, top=True)
    found = list(_nodes_in_file(name))
    if not found:
        logger.warning(
            "The SDK does not hand over the properties of %s, and %s does not name the file they are in; using defaults",
            name,
            OTEL_CONFIG_FILE,
        )
        return SamplerNodes().own(name, {}, top=True)
    if any(one != found[0] for one in found[1:]):
        logger.warning(
            "%s is in the file more than once, and the SDK does not say which is meant; using the first for all. "
            "OTEL_PYTHON_CONFIGURATOR=nanospan tells them apart",
            name,
        )
    return SamplerNodes().own(name, found[0].properties, top=found[0].top)


class _Found(NamedTuple):
    properties: Mapping[str, Any]
    top: bool


def _nodes_in_file(name: str) -> Iterator[_Found]:
    """Where the file that the environment names has a sampler ``name``, apart from those inside samplers of nanospan."""
    file = os.environ.get(OTEL_CONFIG_FILE)
    if not file:
        return
    from opentelemetry.configuration import load_config_file

    provider = load_config_file(file).tracer_provider
    if provider is not None and provider.sampler is not None:
        yield from _nodes_below(provider.sampler, name, top=True)


def _nodes_below(model: Any, name: str, *, top: bool) -> Iterator[_Found]:
    if name in model.additional_properties:
        yield _Found(model.additional_properties[name] or {}, top)
    if model.parent_based is not None:
        for delegate in DELEGATES:
            if (below := getattr(model.parent_based, delegate)) is not None:
                yield from _nodes_below(below, name, top=False)
