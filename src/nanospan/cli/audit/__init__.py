"""``nanospan audit``: sends secrets through an application, and searches what its telemetry has let out."""
