"""The numeric argument of a root sampler, from a variable or a configuration file."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

from opentelemetry.sdk.environment_variables import OTEL_TRACES_SAMPLER_ARG

from nanospan import sampling
from nanospan.sampling import ALWAYS_OFF, Sampler

__all__ = ["ADAPTIVE", "OVERHEAD_BUDGET", "PROBABILITY", "RATE_LIMITED", "SettingOfRoot"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SettingOfRoot:
    """The numeric argument of a root sampler: its class, unit, default and range."""

    sampler: str
    """The name of the class in `nanospan.sampling`."""
    meaning: str
    default: float
    minimum: float
    """Smallest accepted value other than 0; 0 disables sampling."""
    maximum: float

    def read(self, argument: float | str | None) -> float:
        """``argument`` as a number. An unusable one is replaced by the default or clamped, with one warning."""
        text = argument.strip() if isinstance(argument, str) else argument
        if text is None or text == "":
            logger.warning("%s is not set; using %g %s", OTEL_TRACES_SAMPLER_ARG, self.default, self.meaning)
            return self.default
        try:
            number = float(text)
        except (TypeError, ValueError):
            number = math.nan
        if math.isnan(number):
            logger.warning(
                "%s=%r is not a number; using %g %s", OTEL_TRACES_SAMPLER_ARG, argument, self.default, self.meaning
            )
            return self.default
        if number == 0:
            return 0.0
        clamped = 0.0 if number < 0 else min(max(number, self.minimum), self.maximum)
        if clamped != number:
            logger.warning(
                "%s=%r is out of range (0, or %g to %g); using %g %s",
                OTEL_TRACES_SAMPLER_ARG,
                argument,
                self.minimum,
                self.maximum,
                clamped,
                self.meaning,
            )
        return clamped

    def root(self, number: float) -> Sampler:
        """The root sampler: an instance of the class, or ALWAYS_OFF for 0."""
        return ALWAYS_OFF if number == 0 else getattr(sampling, self.sampler)(number)


PROBABILITY = SettingOfRoot("ConsistentProbability", "of the traces", 1.0, 2.0**-56, 1.0)
RATE_LIMITED = SettingOfRoot("RateLimited", "traces a second", 100.0, 1e-3, 1e9)
ADAPTIVE = SettingOfRoot("Adaptive", "spans a second", 1000.0, 1e-3, 1e9)
OVERHEAD_BUDGET = SettingOfRoot("OverheadBudget", "of the CPU", 0.02, 1e-6, 1.0)
