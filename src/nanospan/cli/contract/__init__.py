"""The command ``nanospan contract``."""
