"""Checks that prompts carry: running them, and objections to them."""
