"""Shared by all packages: argument checks, rate-limited logging, the check for the main interpreter."""
