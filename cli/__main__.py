"""`python -m anlage.cli`, for launchers that start a module."""

from .app import main

main()
