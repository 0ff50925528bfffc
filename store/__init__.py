"""The content-addressed store of calls, log-probabilities and evaluations."""
