"""Head decisions."""
