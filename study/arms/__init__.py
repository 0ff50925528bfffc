"""Makes the arms of a study, with what each one changes, and the controls."""
