"""What `nanospan lint` finds in source code, and how findings are written down."""
