"""Five ways to make a preference pair, interchangeable under one budget."""
