"""``nanospan lint``: findings in source code and in captured spans."""
