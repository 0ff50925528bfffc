"""Looks at finished runs: trace, review, agreement, chat, compare, suites, registry."""
