"""Names, kinds, attributes and metrics of the semantic conventions for messaging."""
