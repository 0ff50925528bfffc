"""Ablations: arms and seeds from one file, run once each, compared with the run as the unit."""
