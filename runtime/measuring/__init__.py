"""Measurements: how fast a model runs, and under which settings it runs fastest."""
