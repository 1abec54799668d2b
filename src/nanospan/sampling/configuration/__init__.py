"""Samplers named by variables and configuration files."""
