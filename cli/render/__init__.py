"""Every text and table that a command prints."""
