"""Which values of its dynamic sizes a graph accepts."""
