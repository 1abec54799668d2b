"""What is asked of a span while it becomes bytes."""
