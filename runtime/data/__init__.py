"""Data sets that come with installed packages, and which of their images a step sees."""
