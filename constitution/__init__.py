"""Constitution: archetypes compiled into principles, with precedence, provenance and hash."""
