"""Entry points of the group ``opentelemetry_sampler``: nanospan's samplers for a configuration file.

The SDK's configurator calls them without the properties that the file gives the sampler; a warning reports that. nanospan's
configurator does not call them: `nodes.SamplerNodes` makes the samplers of every sampler node.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from nanospan.sampling import Sampler
from nanospan.sampling.configuration.nodes import SamplerNodes

__all__ = ["adaptive", "always_record", "links_based", "overhead_budget", "probability", "rate_limited", "rule_based"]

logger = logging.getLogger(__name__)


def probability(**properties: Any) -> Sampler:
    """ConsistentProbability; ``ratio`` is 1 by default."""
    return _sampler("nanospan_probability", properties)


def rate_limited(**properties: Any) -> Sampler:
    """RateLimited; ``traces_per_second`` is 100 by default."""
    return _sampler("nanospan_rate_limited", properties)


def adaptive(**properties: Any) -> Sampler:
    """Adaptive; ``target_spans_per_second`` is 1000 by default."""
    return _sampler("nanospan_adaptive", properties)


def overhead_budget(**properties: Any) -> Sampler:
    """OverheadBudget; ``cpu_fraction`` is 0.02 by default."""
    return _sampler("nanospan_overhead_budget", properties)


def rule_based(**properties: Any) -> Sampler:
    """RuleBased; ``rules`` and ``default`` are required."""
    return _sampler("nanospan_rule_based", properties)


def always_record(**properties: Any) -> Sampler:
    """AlwaysRecord; ``root`` is required."""
    return _sampler("nanospan_always_record", properties)


def links_based(**properties: Any) -> Sampler:
    """LinksBased; ``root`` is required."""
    return _sampler("nanospan_links_based", properties)


def _sampler(name: str, properties: Mapping[str, Any]) -> Sampler:
    """The sampler of that name, in a ParentBased. Raises ConfigurationError."""
    if not properties:
        logger.warning(
            "The SDK's configurator drops the properties that a configuration file gives %s; using defaults. "
            "OTEL_PYTHON_CONFIGURATOR=nanospan keeps them",
            name,
        )
    return SamplerNodes().own(name, properties, top=True)
