"""Head decisions."""

# Each part uses only the parts above it.
include "cost_meter.pxi"
include "samplers.pxi"
include "threshold_samplers.pxi"
include "rules.pxi"
include "links.pxi"
