"""The browser's face: screens over the same files and functions as the command line."""
