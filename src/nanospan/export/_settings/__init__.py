"""What arguments and variables say about an exporter."""
