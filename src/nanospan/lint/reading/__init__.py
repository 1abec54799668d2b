"""What the rules on spans ask of a syntax tree: calls that start spans, loops, paths, and words."""
