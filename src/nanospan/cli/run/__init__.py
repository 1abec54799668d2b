"""``nanospan run``: runs a command with tracing. It needs nothing of the extra ``cli``."""
