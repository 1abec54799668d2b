"""`nanospan cost`: what a sampling strategy costs."""
