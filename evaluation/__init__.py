"""What a model does before and after: suites, judges, probes, comparisons."""
