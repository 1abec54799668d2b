"""Shared ground: threads, free lists, the fork generation, attributes of types."""

include "fork.pxi"
include "type_attributes.pxi"
