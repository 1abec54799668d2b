"""The rules on how code makes spans: L1 to L5. They read the syntax tree alone, and nothing of the code is imported."""
