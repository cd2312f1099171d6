"""Passes transform a graph with its weights: one to a file, each with its rule in its docstring."""
