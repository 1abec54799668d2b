"""The native tracer, span and processor dispatch."""
