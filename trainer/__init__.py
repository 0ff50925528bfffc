"""DPO with soft labels: tokenized rows, pinned reference, checkpoints, result."""
