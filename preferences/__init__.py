"""Preference pairs: builders, filters, the record and its data sets."""
