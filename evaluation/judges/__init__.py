"""Who decides what an answer is: the refusal judge, incoherence, off topic, a language model."""
