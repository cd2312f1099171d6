"""Elaboration: from a spec to a graph."""
