"""Ids, span contexts, the current Context, W3C headers."""

# Each part uses only the parts above it.
include "ids.pxi"
include "identity.pxi"
include "carried_counts.pxi"
include "current_context.pxi"
include "carried.pxi"
include "type_attributes.pxi"
