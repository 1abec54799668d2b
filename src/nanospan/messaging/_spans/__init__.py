"""Spans and metrics of operations on messages."""
