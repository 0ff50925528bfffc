"""What is checked before a training costs anything."""
