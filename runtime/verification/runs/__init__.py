"""Runs of a model file, and what they say of its numbers, shapes and batch."""
