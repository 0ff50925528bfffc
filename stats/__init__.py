"""Intervals, tests, seeds, clusters, equivalence, power."""
