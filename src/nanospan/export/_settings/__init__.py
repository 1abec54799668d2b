"""Settings of an exporter, from arguments and variables."""
