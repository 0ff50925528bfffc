"""Objections to what an archetype says: claims, stereotypes, wording, contradictions."""
