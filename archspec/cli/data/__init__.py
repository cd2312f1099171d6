"""The commands of the panel Data."""
