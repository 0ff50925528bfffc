"""Tools for authors: lint, problem codes, coverage, diff, try-outs, stories."""
