"""HTTP and gRPC."""
