"""The arms of a study: what each one changes, and the controls."""
