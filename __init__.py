"""Anlage: from archetypes to an evaluated, aligned language model."""
