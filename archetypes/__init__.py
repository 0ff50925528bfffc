"""Archetypes: named bundles of motive, cues, norm and failure modes, written as YAML."""
