"""What the wrappers of client libraries share."""
