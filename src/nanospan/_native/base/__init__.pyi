def generation() -> int:
    """How many forks lie between this process and the one that first imported nanospan."""
