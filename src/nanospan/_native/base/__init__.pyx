"""Shared ground: threads, free lists, the fork generation."""

include "fork.pxi"
