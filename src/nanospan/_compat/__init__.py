"""Private names of other packages: each release that moves one fails in tests/compat."""
