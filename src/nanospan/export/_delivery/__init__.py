"""One export: attempts, replies, retries, metrics."""
