"""Tracer, Span, and the calls of the processors."""
