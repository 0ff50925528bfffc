"""What is watched while a model trains, and what is done when a condition fails."""
