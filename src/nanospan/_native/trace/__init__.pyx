"""The native tracer, span and processor dispatch."""

# Each part uses only the parts above it.
include "detection.pxi"
include "processors.pxi"
include "span.pxi"
include "tracer.pxi"
