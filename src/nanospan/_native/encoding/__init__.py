"""Spans, resources and scopes as OTLP bytes."""
