"""Safe YAML with lines, atomic writes, redaction, seeds."""
