"""`nanospan demo`: a traced service before the embedded receiver."""
