"""Paths through a network: how many, which, and what they carry."""
