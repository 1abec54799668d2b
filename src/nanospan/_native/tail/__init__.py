"""Whole-trace decisions."""
