"""Weights that others trained: reading them, and their names and shapes in our graphs."""
