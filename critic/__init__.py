"""The critic: critique, revision and comparison of answers, and its calibration."""
