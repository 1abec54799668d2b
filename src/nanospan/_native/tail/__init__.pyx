"""Whole-trace decisions."""

# Each part uses only the parts above it.
include "policies.pxi"
include "tail_queue.pxi"
