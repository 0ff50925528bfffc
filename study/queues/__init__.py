"""Runs the arms: processes on this machine, or Ray."""
