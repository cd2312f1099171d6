"""Experiments on networks, fresh or trained: what a spec alone cannot tell is measured."""
