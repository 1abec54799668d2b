def generation() -> int:
    """How many forks lie between this process and the one that first imported nanospan."""

def replace_on_type(cls: type, name: str, value: object) -> None: ...
