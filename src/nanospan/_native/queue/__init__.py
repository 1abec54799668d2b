"""Where ended spans wait for the worker."""
