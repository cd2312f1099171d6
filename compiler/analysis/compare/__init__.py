"""Comparisons of networks with each other, with conditions, and with budgets."""
