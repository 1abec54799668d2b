"""`nanospan doctor`: what is wrong with tracing in this environment, and what to do about it."""
