"""Volumes from files: NIfTI, TIFF stacks and arrays, as values on a grid in space."""
