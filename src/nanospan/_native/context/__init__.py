"""Ids, span contexts, the current Context, W3C headers."""
