"""Spans, resources and scopes as OTLP bytes."""

# Each part uses only the parts above it.
include "encoder.pxi"
include "sources.pxi"
include "batch.pxi"
