"""Intervals, tests, seeds, bootstrap, equivalence, power."""
