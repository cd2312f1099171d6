"""Receptive fields: the input positions that a position sees."""
