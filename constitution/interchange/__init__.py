"""Constitutions of other projects, in and out, with what gets lost on the way."""
