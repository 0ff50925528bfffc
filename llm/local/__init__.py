"""A transformers model on this machine behind the `Model` protocol."""
