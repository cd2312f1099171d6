"""Paths through a network: their number, the paths themselves, and the gradient that they carry."""
