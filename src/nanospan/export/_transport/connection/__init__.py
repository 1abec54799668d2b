"""Connections that end in time: look-up, connect, TLS, the socket, and the pool of kept ones."""
