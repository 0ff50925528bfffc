"""Pairs in the formats of other projects."""
