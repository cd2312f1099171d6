"""The values of its dynamic sizes that a graph accepts."""
