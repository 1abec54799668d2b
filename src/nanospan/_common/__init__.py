"""Shared by all packages: checks of arguments and variables, rate-limited logging, the check for the main interpreter."""
