"""Estimates what a study will cost, and keeps the plan it started with."""
