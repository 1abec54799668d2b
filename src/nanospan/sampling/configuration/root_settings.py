"""The numeric argument of a root sampler, from a variable or a configuration file."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from opentelemetry.sdk.environment_variables import OTEL_TRACES_SAMPLER_ARG

from nanospan import sampling
from nanospan._common.environment import to_write, warn_ignored
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
        """``argument`` as a number. The default for a missing or an unusable one, with one warning."""
        text = "" if argument is None else str(argument).strip()
        if not text:
            logger.warning("%s is not set; using %g (%s)", OTEL_TRACES_SAMPLER_ARG, self.default, self.meaning)
            return self.default
        try:
            return self._parse(text)
        except ValueError:
            minimum = "2**-56" if self.minimum == 2.0**-56 else f"{self.minimum:g}"
            accepted = f"a number ({self.meaning}), 0 or from {minimum} to {self.maximum:g}"
            self.warn_ignored(text, to_write(text, self._parse, accepted))
            return self.default

    def warn_ignored(self, text: str, write: str) -> None:
        """Say that the variable counts as unset."""
        warn_ignored(logger, OTEL_TRACES_SAMPLER_ARG, text, f"{write} (default {self.default:g})")

    def _parse(self, text: str) -> float:
        number = float(text)
        if number != 0 and not self.minimum <= number <= self.maximum:
            raise ValueError
        return number

    def root(self, number: float) -> Sampler:
        """The root sampler: an instance of the class, or ALWAYS_OFF for 0."""
        return ALWAYS_OFF if number == 0 else getattr(sampling, self.sampler)(number)


PROBABILITY = SettingOfRoot("ConsistentProbability", "share of the traces", 1.0, 2.0**-56, 1.0)
RATE_LIMITED = SettingOfRoot("RateLimited", "traces a second", 100.0, 1e-3, 1e9)
ADAPTIVE = SettingOfRoot("Adaptive", "spans a second", 1000.0, 1e-3, 1e9)
OVERHEAD_BUDGET = SettingOfRoot("OverheadBudget", "share of the CPU", 0.02, 1e-6, 1.0)
