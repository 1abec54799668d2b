"""honeycomb-pycpp, the C++ SDK behind pybind11, with the few methods that the pipeline benchmark calls."""

from __future__ import annotations

import tempfile
import time
from typing import Any

SCHEDULE_DELAY_MILLIS = 1000

# It is configured by a file only.
_CONFIGURATION = """\
file_format: "1.0"
resource:
  attributes:
    - name: service.name
      value: benchmark
tracer_provider:
  sampler:
    always_on:
  processors:
    - batch:
        schedule_delay: {delay}
        exporter:
          otlp_http:
            endpoint: {endpoint}
"""


class HoneycombProvider:
    """Used directly and without its patches of the API, which only add to its cost."""

    def __init__(self, endpoint: str) -> None:
        import honeycomb_pycpp

        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(_CONFIGURATION.format(delay=SCHEDULE_DELAY_MILLIS, endpoint=endpoint))
            file.flush()
            self._sdk = honeycomb_pycpp.SDK(file.name)
        self._sdk.release_config()

    def get_tracer(self, name: str, version: str) -> Any:
        return self._sdk.tracer_provider.get_tracer(name, version)

    def force_flush(self, timeout_millis: int) -> bool:
        """It offers no flush: wait until its own schedule has emptied the queue. Costs no CPU."""
        time.sleep(2 * SCHEDULE_DELAY_MILLIS / 1e3)
        return True

    def shutdown(self) -> None:
        self._sdk.shutdown()
