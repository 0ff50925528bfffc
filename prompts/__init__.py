"""Prompts in matched twins, their sets and linter, and the templates shown to models."""
