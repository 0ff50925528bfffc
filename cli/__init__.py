"""The command line. `app.py` holds the program; one file a group of commands."""
