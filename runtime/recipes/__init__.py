"""Recipes: how a network is trained, as a document of its own, apart from which network it is."""
