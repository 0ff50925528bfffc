"""Publishes a trained model: package, model card, push."""
