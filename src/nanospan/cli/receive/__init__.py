"""`nanospan receive`: traces in the terminal."""
