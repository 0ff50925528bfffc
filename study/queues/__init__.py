"""Runs the arms of a study: in processes on this machine, or on a Ray cluster."""
