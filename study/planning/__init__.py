"""What a study will cost, and the plan that is frozen before it starts."""
