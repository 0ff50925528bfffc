"""Gives a trained model away: package, model card, push."""
