"""What helps an author write: lint, problem codes, coverage, diff, try-outs, stories."""
