"""Reads and writes constitutions of other projects, and lists what is lost in between."""
