"""Runs as they lie in folders: what they were, how they went, and how they compare."""
