"""Test suites as files: what is asked, what is measured, where the rows come from."""
